package ops

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Events are what went wrong of late, the latest first.
type Events struct {
	Refused []Refused
	Letters []Letter
	Log     []Entry // warnings and errors
}

// Refused is a request that was not taken.
type Refused struct {
	At     time.Time
	Reason string
	Bytes  int64 // that its body was said to have
}

// Letter is a callback that went to the dead-letter topic.
type Letter struct {
	Number uint64    // from 1; never used again
	At     time.Time // when it was received
	Reason string
	Bytes  int64
	Body   []byte // the beginning of it; nil where it is not to be shown
}

// Cut says whether only the beginning of the body is shown.
func (l Letter) Cut() bool { return l.Body != nil && int64(len(l.Body)) < l.Bytes }

// Entry is a line of the log.
type Entry struct {
	At                           time.Time
	Level, Part, Message, Fields string
}

// letterHandler answers GET /letters/{number} with the body, where that may be
// shown at all, as text, whatever it is.
func letterHandler(events func() Events) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
		for _, l := range events().Letters {
			if err == nil && l.Number == number && l.Body != nil {
				text := string(l.Body)
				if l.Cut() {
					text += fmt.Sprintf("\n\n(the first %d of %d bytes: no more is kept here; the dead letter has more)\n", len(l.Body), l.Bytes)
				}
				writeText(w, text)
				return
			}
		}
		http.NotFound(w, r)
	}
}
