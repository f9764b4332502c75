package simulate

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Options says what is sent, where to, and how badly. Start from [Defaults].
type Options struct {
	URL   string // http:// or https://, the bridge's callback path included
	App   uint64 // SdkAppid
	Token string // "" sends unsigned callbacks

	Groups int // how many groups are talking
	// Topics is how many topics each community has; every eighth group is a
	// community. 0: no communities. Each topic is a stream of its own.
	Topics int
	Rate   float64 // callbacks a second, copies included; 0 is as fast as they are answered
	Count  uint64  // messages, without copies and dropped numbers; 0 is endless

	Disorder  float64 // share of messages that a successor overtakes, 0..1
	Duplicate float64 // share of messages that are sent twice, 0..1
	Drop      float64 // share of messages before which a number is taken and not sent, 0..1
	// OnlineOnly is the share of messages without a MsgSeq, 0..1.
	OnlineOnly float64
	Window     time.Duration // by how much a callback is late at most; a copy by ten times that
	// Places is Window where there is no rate: by how many callbacks, of all
	// groups, one is late at most. 0 is four a group.
	Places int

	Seed        uint64 // 0 chooses one, or takes the ledger's
	FirstSeq    uint64 // where streams begin that no ledger knows; 0 is 1
	Connections int    // keep-alive connections, each with one callback at a time
	TextOnly    bool   // only text messages, else all kinds of elements
	// BodySize pads bodies that are shorter to this many bytes; 0 leaves them,
	// most of them then have 350 to 650.
	BodySize int
	Age      time.Duration // by how much messages are older than their sending

	Timeout  time.Duration // Tencent's patience
	Retries  int           // further tries after an answer that is not OK; -1 is for ever
	Insecure bool          // accepts any certificate
	Ledger   string        // the file to write the ledger to; "" is none

	Now func() time.Time // nil is time.Now; for the times in messages and signatures
}

// Defaults returns options that lack only a URL, an app and a token.
func Defaults() Options {
	return Options{
		Groups:      50,
		Topics:      2,
		Rate:        100,
		Window:      100 * time.Millisecond,
		Connections: 64,
		Timeout:     2 * time.Second,
	}
}

// Check returns what is wrong with the options, each named as its flag.
func (o *Options) Check() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(o.URL)
	fault(o.URL == "", "--url is missing: where the bridge takes callbacks, such as http://127.0.0.1:8080/callback")
	fault(o.URL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")),
		"--url %q is not a URL such as http://127.0.0.1:8080/callback", o.URL)
	fault(o.App == 0, "--app is missing: the SdkAppid that the bridge knows")
	fault(o.Groups < 1, "--groups must be at least 1")
	fault(o.Topics < 0, "--topics must not be negative")
	fault(!(o.Rate >= 0 && o.Rate <= 1e6), "--rate must be 0 (as fast as possible) to 1,000,000 callbacks a second")
	for _, f := range []struct {
		name  string
		share float64
	}{{"disorder", o.Disorder}, {"duplicate", o.Duplicate}, {"drop", o.Drop}, {"online-only", o.OnlineOnly}} {
		fault(!(f.share >= 0 && f.share <= 1), "--%s must be a share from 0 to 1", f.name)
	}
	fault(o.Window < 0, "--window must not be negative")
	fault(o.Places < 0, "--places must not be negative")
	fault(o.Connections < 1 || o.Connections > 10_000, "--connections must be 1 to 10,000")
	fault(o.BodySize < 0 || o.BodySize > 1<<20, "--body-size must be at most 1 MiB")
	fault(o.Age < 0, "--age must not be negative")
	fault(o.Timeout <= 0, "--timeout must be above 0")
	fault(o.Retries < -1, "--retry must be a number of tries, or -1 for ever")
	return errors.Join(faults...)
}

// places returns by how many slots a callback is late at most, at least 1.
func (o *Options) places() int {
	switch {
	case o.Rate > 0:
		return max(1, int(o.Rate*o.Window.Seconds()))
	case o.Places > 0:
		return o.Places
	default:
		return 4 * o.Groups
	}
}
