package schema

import (
	"errors"
	"time"
)

// CommandAfterSend is the command whose bodies this package reads.
const CommandAfterSend = "Group.CallbackAfterSendMsg"

// Request is what is known of a callback besides its body.
type Request struct {
	// AppID is SdkAppid of the query.
	AppID uint64
	// Command is CallbackCommand of the query; "" = it had none.
	Command string
	// ClientIP and Platform are ClientIP and OptPlatform of the query; "" = unknown.
	ClientIP, Platform string
	// ReceivedAt is when the callback was received.
	ReceivedAt time.Time
}

// ParseQuery stub.
func ParseQuery(raw string, receivedAt time.Time) (Request, error) {
	return Request{}, errors.New("not yet")
}
