package simulate

import (
	"slices"
	"strconv"

	"github.com/chatbridge/chatbridge/schema"
)

// The members of a body. Tencent writes them in alphabetical order; nothing
// promises it, and copies come here in the order of the documentation.
const (
	inCommand = iota
	inCustomData
	inEventTime
	inFrom
	inMentions
	inGroup
	inElements
	inMsgID
	inSeq
	inTime
	inOnlineOnly
	inOperator
	inRandom
	inTopic
	inType
)

type memberOrder [15]uint8

func capturedOrder() memberOrder {
	return memberOrder{inCommand, inCustomData, inEventTime, inFrom, inMentions, inGroup, inElements, inMsgID,
		inSeq, inTime, inOnlineOnly, inOperator, inRandom, inTopic, inType}
}

func documentedOrder() memberOrder {
	return memberOrder{inCommand, inGroup, inType, inFrom, inOperator, inRandom, inSeq, inTime, inOnlineOnly,
		inElements, inCustomData, inEventTime, inTopic, inMentions, inMsgID}
}

// A bodyWriter builds one body. It may be used again.
type bodyWriter struct {
	buf  []byte
	pad  int  // where filling may be put in: inside a string of no meaning
	dice dice // of the message
}

// write returns the body of a message, valid until the next call. copies is 0
// for the message itself and counts its repetitions, which differ in EventTime
// and in the order and spelling of their members but mean the same.
func (w *bodyWriter) write(m *message, copies int, now int64) []byte {
	w.buf, w.dice = append(w.buf[:0], '{'), dice(m.shape)
	order := capturedOrder()
	if copies%2 == 1 {
		order = documentedOrder()
	}
	for _, member := range order {
		before := len(w.buf)
		w.member(member, m, copies, now)
		if len(w.buf) > before {
			w.buf = append(w.buf, ',')
		}
	}
	w.buf[len(w.buf)-1] = '}'
	if short := m.size - len(w.buf); short > 0 {
		w.fill(short)
	}
	return w.buf
}

// fill makes the body n bytes longer.
func (w *bodyWriter) fill(n int) {
	const filling = "0123456789abcdef"
	w.buf = slices.Grow(w.buf, n)
	size := len(w.buf)
	w.buf = w.buf[:size+n]
	copy(w.buf[w.pad+n:], w.buf[w.pad:size])
	for i := range n {
		w.buf[w.pad+i] = filling[i%len(filling)]
	}
}

// member appends one member, or nothing where the message does not have it.
func (w *bodyWriter) member(member uint8, m *message, copies int, now int64) {
	switch member {
	case inCommand:
		w.text(`"CallbackCommand":"` + schema.CommandAfterSend + `"`)
	case inCustomData:
		w.text(`"CloudCustomData":"{\"client\":\"7.9\",\"trace\":\"`)
		w.pad = len(w.buf)
		w.text(`\"}"`)
	case inEventTime:
		w.eventTime(m, copies, now)
	case inFrom:
		w.text(`"From_Account":"`).text(m.account()).text(`"`)
	case inMentions:
		w.mentions(m)
	case inGroup:
		w.text(`"GroupId":`).text(m.stream.groupJSON)
	case inElements:
		w.text(`"MsgBody":[`)
		w.elements(m)
		w.text(`]`)
	case inMsgID:
		w.text(`"MsgId":"`)
		w.buf = m.appendMsgID(w.buf)
		w.text(`"`)
	case inType:
		w.text(`"Type":"`).text(m.stream.groupType).text(`"`)
	case inTopic:
		if m.stream.id.TopicID != "" {
			w.text(`"TopicId":`).text(m.stream.topicJSON)
		}
	case inOperator:
		w.text(`"Operator_Account":"`).text(m.account()).text(`"`)
	default:
		w.number(member, m)
	}
}

// number appends one of the members that are a number.
func (w *bodyWriter) number(member uint8, m *message) {
	switch member {
	case inSeq:
		w.text(`"MsgSeq":`).uint(m.seq)
	case inTime:
		w.text(`"MsgTime":`).uint(uint64(m.madeAt / 1000))
	case inRandom:
		w.text(`"Random":`).uint(uint64(m.random))
	case inOnlineOnly:
		online := uint64(0)
		if m.seq == 0 {
			online = 1
		}
		w.text(`"OnlineOnlyFlag":`).uint(online)
	}
}

// eventTime is when the callback was raised: with the message, or for a copy
// anew, and then in the other of the two spellings that were seen.
func (w *bodyWriter) eventTime(m *message, copies int, now int64) {
	at := m.madeAt
	if copies > 0 {
		at = max(now, m.madeAt+1)
	}
	if m.stream.textTime != (copies%2 == 1) {
		w.text(`"EventTime":"`).uint(uint64(at)).text(`"`)
		return
	}
	w.text(`"EventTime":`).uint(uint64(at))
}

// mentions names somebody in one of sixteen messages.
func (w *bodyWriter) mentions(m *message) {
	switch m.shape % 32 {
	case 1:
		w.text(`"GroupAtInfo":[{"GroupAtAllFlag":1}]`)
	case 2:
		other := message{sender: m.sender + 1}
		w.text(`"GroupAtInfo":[{"GroupAtAllFlag":0,"GroupAt_Account":"`).text(other.account()).text(`"}]`)
	}
}

func (w *bodyWriter) text(s string) *bodyWriter {
	w.buf = append(w.buf, s...)
	return w
}

func (w *bodyWriter) uint(n uint64) *bodyWriter {
	w.buf = strconv.AppendUint(w.buf, n, 10)
	return w
}
