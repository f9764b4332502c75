package ingest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// rule is one row of the answer table.
type rule struct {
	name       string // in metrics and logs
	status     int    // HTTP
	code       int    // ErrorCode: the status and two digits, this program's own
	closing    bool   // the connection ends with the answer
	retryAfter string // seconds, of the header Retry-After
	sentence   string // ErrorInfo, where the request gives no better one
}

// rule is the one table outcome → status, ErrorCode, connection, sentence.
// ErrorCodes never change their meaning; 0 is the only success.
func (o Outcome) rule() rule {
	switch o {
	case Stored:
		return rule{name: "stored", status: 200}
	case CallbackStored:
		return rule{name: "callback-stored", status: 200}
	case Ignored:
		return rule{name: "ignored", status: 200}
	case URLCheck:
		return rule{name: "url-check", status: 200}
	case Unreadable:
		return rule{name: "unreadable", status: 400, code: 40001,
			sentence: "the body cannot be understood; it was kept as a dead letter"}
	case EmptyBody:
		return rule{name: "empty-body", status: 400, code: 40002,
			sentence: "the body is empty: send the callback's JSON"}
	case CutOff:
		return rule{name: "cut-off", status: 400, code: 40003, closing: true,
			sentence: "the body ended early or is wrongly chunked: send it whole"}
	case Malformed:
		return rule{name: "malformed", status: 400, code: 40004, closing: true,
			sentence: "this is not acceptable as an HTTP/1.1 request: check the client, or the proxy before this server"}
	case SignatureMissing:
		return rule{name: "signature-missing", status: 401, code: 40101,
			sentence: "Sign and RequestTime are required: switch on authentication for this URL in the chat console"}
	case SignatureWrong:
		return rule{name: "signature-wrong", status: 401, code: 40102,
			sentence: "Sign is not SHA-256 of a configured token and RequestTime: compare the token in the chat console with apps.tokens"}
	case SignatureStale:
		return rule{name: "signature-stale", status: 401, code: 40103,
			sentence: "RequestTime is too far from this server's clock: set the clocks"}
	case UnknownApp:
		return rule{name: "unknown-app", status: 403, code: 40301,
			sentence: "SdkAppid is missing or not configured here: compare it with apps.sdk_app_id"}
	case NotFound:
		return rule{name: "not-found", status: 404, code: 40401,
			sentence: "nothing is at this path: compare the URL in the chat console with http.path"}
	case BadMethod:
		return rule{name: "bad-method", status: 405, code: 40501,
			sentence: "only POST is answered here"}
	case Timeout:
		return rule{name: "timeout", status: 408, code: 40801, closing: true,
			sentence: "the request did not arrive in time: send it faster"}
	case TooLarge:
		return rule{name: "too-large", status: 413, code: 41301, closing: true,
			sentence: "the body is over the limit: send less, or raise http.max_body"}
	case Encoding:
		return rule{name: "encoding", status: 415, code: 41501, closing: true,
			sentence: "Content-Encoding is not supported: send the body as it is"}
	case HeadersTooLarge:
		return rule{name: "headers-too-large", status: 431, code: 43101, closing: true,
			sentence: "the request line and headers are over the limit: send fewer or shorter ones"}
	case Panicked:
		return rule{name: "panic", status: 500, code: 50001, closing: true,
			sentence: "a fault of this server: see its log"}
	default:
		return o.unavailable()
	}
}

// unavailable holds the rows of 503.
func (o Outcome) unavailable() rule {
	switch o {
	case Overloaded:
		return rule{name: "overloaded", status: 503, code: 50301, retryAfter: "1",
			sentence: "too many requests at once: send again later"}
	case Full:
		return rule{name: "full", status: 503, code: 50302, retryAfter: "5",
			sentence: "the spool is full: send again later; its operator frees disk or raises spool.max_bytes"}
	case Poisoned:
		return rule{name: "poisoned", status: 503, code: 50303, retryAfter: "5",
			sentence: "the spool's disk fails: send again later; its operator sees why in the log"}
	case Closing:
		return rule{name: "closing", status: 503, code: 50304, retryAfter: "1", closing: true,
			sentence: "this server is stopping: send again"}
	default:
		return rule{name: "store-failed", status: 503, code: 50305, retryAfter: "5",
			sentence: "the callback could not be stored: send again later; the operator sees why in the log"}
	}
}

// reply is the body of every answer: these three members, in this order.
type reply struct {
	ActionStatus string
	ErrorInfo    string
	ErrorCode    int
}

// maxSentence bounds ErrorInfo, so that an answer always leaves in one piece:
// below net/http's write buffer.
const maxSentence = 400

// render renders the body for a row; sentence "" takes the row's own.
func (r *rule) render(sentence string) []byte {
	re := reply{ActionStatus: "FAIL", ErrorInfo: sentence, ErrorCode: r.code}
	if sentence == "" {
		re.ErrorInfo = r.sentence
	}
	if r.status == http.StatusOK {
		re = reply{ActionStatus: "OK"}
	}
	re.ErrorInfo = re.ErrorInfo[:min(len(re.ErrorInfo), maxSentence)]
	body, err := json.Marshal(re)
	if err != nil { // cannot be: strings and a number
		return []byte(`{"ActionStatus":"FAIL","ErrorInfo":"","ErrorCode":50001}`)
	}
	return body
}

// verdict is what the steps found.
type verdict struct {
	outcome  Outcome
	sentence string // "" takes the row's own
	appID    uint64 // 0: not known
	err      error  // for the log only
	drained  bool   // the body was read to its end
	trace    Trace  // nil: none
}

// responder answers. Its fields are made once and shared by all answers: nobody
// may change them. That spares each request the memory.
type responder struct {
	rows   [outcomes]rule
	bodies [outcomes][]byte // with the row's own sentence

	contentType, closing, allow []string // header values
}

func newResponder() *responder {
	re := &responder{
		contentType: []string{"application/json"},
		closing:     []string{"close"},
		allow:       []string{http.MethodPost},
	}
	for _, o := range Outcomes() {
		re.rows[o] = o.rule()
		re.bodies[o] = re.rows[o].render("")
	}
	return re
}

// write puts v on w. closing ends the connection with the answer.
func (re *responder) write(w http.ResponseWriter, v *verdict, closing bool) error {
	r := &re.rows[v.outcome]
	h := w.Header()
	h["Content-Type"] = re.contentType
	if closing {
		h["Connection"] = re.closing
	}
	if r.retryAfter != "" {
		h["Retry-After"] = []string{r.retryAfter}
	}
	if r.status == http.StatusMethodNotAllowed {
		h["Allow"] = re.allow
	}
	body := re.bodies[v.outcome]
	if v.sentence != "" {
		body = r.render(v.sentence)
	}
	if v.outcome > lastOK {
		// Of the others net/http knows it, since the body is all that is written.
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(r.status)
	_, err := w.Write(body)
	return err
}
