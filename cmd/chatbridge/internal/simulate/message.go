package simulate

import (
	"strconv"
	"time"

	"github.com/chatbridge/chatbridge/schema"
)

// A message is all that is to be known of one group message; its body follows
// from it alone.
type message struct {
	stream *stream
	seq    uint64 // 0: online-only, without a number
	random uint32
	sender uint16
	madeAt int64  // Unix milliseconds
	shape  uint64 // decides the elements and their text
	size   int    // the body is padded up to this
	plain  bool   // text only
}

// accounts are the people who talk; a message's sender is one of them with a number.
func accounts() []string {
	return []string{"anna", "bob", "chen", "dora", "eli", "fatima", "goran", "hana", "ivan", "jared", "kim", "lin"}
}

// account returns the sender's UserID.
func (m *message) account() string {
	names := accounts()
	return names[int(m.sender)%len(names)] + "_" + strconv.Itoa(int(m.sender))
}

// appendMsgID appends a MsgId: the sender's internal number, the time on the
// sender's clock, and the random number.
func (m *message) appendMsgID(b []byte) []byte {
	b = strconv.AppendUint(b, 144115200000000000+uint64(m.sender), 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, m.madeAt/1000, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, uint64(m.random), 10)
}

// platform is the OptPlatform of the sender's client.
func (m *message) platform() string {
	return [...]string{"Android", "iOS", "Web", "Windows", "RESTAPI", "macOS"}[int(m.sender)%6]
}

// read reads a body of the message as the bridge will, for its id and its text.
func (m *message) read(body []byte) (*schema.Event, error) {
	return schema.Normalize(schema.Request{
		AppID: m.stream.id.AppID, Command: schema.CommandAfterSend, ReceivedAt: time.UnixMilli(m.madeAt),
	}, body)
}
