package schema

import (
	"crypto/sha1" //nolint:gosec // RFC 9562 makes version 5 with it; nothing here is secret
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// ID is a message's identity: a UUID of version 5 (RFC 9562).
type ID [16]byte

// namespace is the UUID that every ID is made under,
// 74fcd219-e2a3-4d61-8ade-a98229852b17, as its 16 bytes. It was drawn at random,
// once, and never changes.
const namespace = "\x74\xfc\xd2\x19\xe2\xa3\x4d\x61\x8a\xde\xa9\x82\x29\x85\x2b\x17"

// String returns the id as 8-4-4-4-12 lower-case hexadecimal digits.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// ParseID reads what String writes, and nothing else: an id has one spelling.
func ParseID(s string) (ID, error) {
	var id ID
	ok := len(s) == 36
	for i, n := 0, 0; ok && i < 36; n++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			ok = s[i] == '-'
			i++
		}
		hi, lo := hexDigit(s[i]), hexDigit(s[i+1])
		ok = ok && hi >= 0 && lo >= 0 && !isUpper(s[i]) && !isUpper(s[i+1])
		id[n] = byte(hi<<4 | lo)
		i += 2
	}
	if ok {
		return id, nil
	}
	return ID{}, fmt.Errorf("%.40q is not an id: want 36 characters such as 74fcd219-e2a3-4d61-8ade-a98229852b17", s)
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'F' }

// Identity returns ID as a value: 16 bytes that are equal for equal messages. It
// is zero where ID is not the text of one.
func (e *Event) Identity() ID {
	id, _ := ParseID(e.ID)
	return id
}

// The rules of identity, in words: the first part of each name. They are part
// of every id and never change.
const (
	ruleSequence  = "sequence"
	ruleMessageID = "message-id"
	ruleRandom    = "random"
	ruleBody      = "body"
)

// identify makes the id of a message that body brought: version 5 over the
// namespace and a name. The name is a row of parts, each written as a netstring,
// <length in bytes>:<bytes>, and one that is absent as -, so that no two rows
// have the same name. Numbers are in decimal, times in Unix seconds. The rows:
//
//	sequence    app group topic seq random sent_at    a sequenced message
//	message-id  app group topic message.id            unsequenced, with a MsgId
//	random      app group topic sender random sent_at unsequenced, and all three are there
//	body        app group topic sha256                else: the body as it came, in hexadecimal
//
// Times of triggering and receipt are no part of it, because they differ when
// Tencent sends a message again. With any of sender, random and sent_at missing
// the rest is not enough to tell two messages apart (a payload of 2017 has the
// sender alone), so the body decides.
func identify(e *Event, body []byte) ID {
	row := row{b: append(make([]byte, 0, 256), namespace...)}
	_, sequenced := e.Sequence()
	m := &e.Message
	switch {
	case sequenced:
		row.begin(ruleSequence, e)
		row.number(m.Seq)
		row.number(m.Random)
		row.sentAt(m)
	case m.ID != "":
		row.begin(ruleMessageID, e)
		row.part(m.ID)
	case e.Sender.Account != "" && m.Random.Present && !m.SentAt.IsZero():
		row.begin(ruleRandom, e)
		row.part(e.Sender.Account)
		row.number(m.Random)
		row.sentAt(m)
	default:
		row.begin(ruleBody, e)
		sum := sha256.Sum256(body)
		row.part(hex.EncodeToString(sum[:]))
	}
	return version5(row.b)
}

// version5 makes a UUID of the namespace and name in row.
func version5(row []byte) (id ID) {
	sum := sha1.Sum(row) //nolint:gosec // RFC 9562 section 5.5
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// row writes a name.
type row struct{ b []byte }

func (r *row) begin(rule string, e *Event) {
	r.part(rule)
	r.number(Some(e.AppID))
	r.part(e.Group.ID)
	r.part(e.Group.TopicID)
}

func (r *row) part(s string) {
	if s == "" {
		r.b = append(r.b, "-,"...)
		return
	}
	r.b = strconv.AppendInt(r.b, int64(len(s)), 10)
	r.b = append(r.b, ':')
	r.b = append(r.b, s...)
	r.b = append(r.b, ',')
}

func (r *row) number(n Optional[uint64]) {
	if !n.Present {
		r.part("")
		return
	}
	var room [20]byte
	r.part(string(strconv.AppendUint(room[:0], n.Value, 10)))
}

func (r *row) sentAt(m *Message) {
	if m.SentAt.IsZero() {
		r.part("")
		return
	}
	r.number(Some(uint64(m.SentAt.Unix())))
}
