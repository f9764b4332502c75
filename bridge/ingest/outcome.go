package ingest

import "time"

// Outcome says how a request ended; doc.go has the table of cases. It numbers
// densely from 0 to len(Outcomes())-1, so an array can be indexed by it.
type Outcome uint8

// The outcomes. The first four are answered OK.
const (
	Stored           Outcome = iota // the command, durable
	CallbackStored                  // another command, durable
	Ignored                         // another command, not kept
	URLCheck                        // empty body, no command
	Unreadable                      // authentic, not understood, durable
	EmptyBody                       // the command with an empty body
	CutOff                          // the peer stopped before the end of the body
	SignatureMissing                // Sign or RequestTime missing
	SignatureWrong                  // Sign of none of the tokens
	SignatureStale                  // signed well, RequestTime too far off
	UnknownApp                      // SdkAppid missing, garbled or not configured
	NotFound                        // another path
	BadMethod                       // not POST
	Timeout                         // header or body slower than allowed
	TooLarge                        // body over the limit
	Encoding                        // Content-Encoding other than identity
	HeadersTooLarge                 // request line and headers over the limit
	Malformed                       // not acceptable as HTTP/1.x
	Panicked                        // a fault of this program
	Overloaded                      // too many requests, or bytes of them, at once
	Full                            // the store is full
	Poisoned                        // the store's disk fails
	Closing                         // the store or the server is being closed
	StoreFailed                     // the store failed in another way
	outcomes                        // their number

	lastOK = URLCheck
)

// Outcomes lists every outcome once, in ascending order, for those who create
// a metric's children ahead.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// String is the outcome's name in metrics and logs; it never changes.
func (o Outcome) String() string { return o.rule().name }

// OK reports whether the outcome is answered with 200.
func (o Outcome) OK() bool { return o <= lastOK }

// Observer is told of every request, refused ones too. Many goroutines call it.
type Observer interface {
	// Answered is called once a request, when its answer is handed to the
	// connection. took counts from the end of the headers; it is 0 where the
	// request was not authentic: how long that takes is up to whoever sent it.
	Answered(o Outcome, took time.Duration)
}

// Refuser is an Observer that is also told how large each refused request said
// that its body is; less than 0: it did not say. Many goroutines call it.
type Refuser interface {
	Refused(o Outcome, bytes int64)
}

type noObserver struct{}

func (noObserver) Answered(Outcome, time.Duration) {}
func (noObserver) Refused(Outcome, int64)          {}

// refuser returns o where it wants to be told of what was refused.
func refuser(o Observer) Refuser {
	if r, ok := o.(Refuser); ok {
		return r
	}
	return noObserver{}
}
