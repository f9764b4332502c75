package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
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

// ErrNoAppID is what ParseQuery's error wraps.
var ErrNoAppID = errors.New("the query has no SdkAppid that is a whole number")

// ParseQuery reads a URL's raw query. It is tolerant: a broken escape stands for
// itself, invalid UTF-8 becomes U+FFFD, of a parameter that is there twice the
// first counts, and parameters that it does not know are passed over. The error wraps ErrNoAppID; everything else of the
// request is set then too.
func ParseQuery(raw string, receivedAt time.Time) (Request, error) {
	req := Request{ReceivedAt: receivedAt}
	var app string
	var seen [4]bool
	fields := [4]*string{&app, &req.Command, &req.ClientIP, &req.Platform}
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		name, v, _ := strings.Cut(part, "=")
		if i := parameter(parameterText(name)); i >= 0 && !seen[i] {
			seen[i] = true
			*fields[i] = parameterText(v)
		}
	}
	id, ok := wholeNumber([]byte(app))
	if !ok {
		return req, fmt.Errorf("reading the query of a callback: %w (SdkAppid=%.40q)", ErrNoAppID, app)
	}
	req.AppID = id
	return req, nil
}

// parameter returns a number for each parameter that is read, or -1.
func parameter(name string) int {
	switch name {
	case "SdkAppid":
		return 0
	case "CallbackCommand":
		return 1
	case "ClientIP":
		return 2
	case "OptPlatform":
		return 3
	}
	return -1
}

// parameterText unescapes a name or a value of a query.
func parameterText(s string) string {
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0 {
		s = string(unescape([]byte(s)))
	}
	return validText(s)
}

// unescape replaces %XX by the byte and + by a space. A % without two
// hexadecimal digits stands for itself.
func unescape(s []byte) []byte {
	return unescapePercent(bytes.ReplaceAll(s, []byte("+"), []byte(" ")))
}

// unescapeSegment is unescape for a path, where + is a plus sign.
func unescapeSegment(s string) []byte { return unescapePercent([]byte(s)) }

// unescapePercent works in place.
func unescapePercent(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			hi, lo := hexDigit(b[i+1]), hexDigit(b[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
