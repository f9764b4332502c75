package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/chatbridge/chatbridge/schema"
)

// Sign returns Tencent's signature of a callback at a Unix time in seconds: the
// lower-case hex SHA-256 of the token and the time's decimal digits.
func Sign(token string, requestTime int64) string {
	sum := sha256.Sum256(strconv.AppendInt([]byte(token), requestTime, 10))
	return hex.EncodeToString(sum[:])
}

// A signer builds the query of callbacks. It computes a signature once a
// second, and may be used by many goroutines.
type signer struct {
	token string
	begin string // the parameters that never change
	last  atomic.Pointer[signature]
}

type signature struct {
	second int64
	text   string // &RequestTime=…&Sign=…
}

func newSigner(o *Options) *signer {
	query := "SdkAppid=" + strconv.FormatUint(o.App, 10) +
		"&CallbackCommand=" + url.QueryEscape(schema.CommandAfterSend) + "&contenttype=json"
	return &signer{token: o.Token, begin: query}
}

// append appends the query of a message's callback that is sent at a Unix time
// in seconds.
func (s *signer) append(b []byte, m *message, second int64) []byte {
	b = append(b, s.begin...)
	b = append(b, "&ClientIP=203.0.113."...)
	b = strconv.AppendUint(b, uint64(m.sender)%254+1, 10)
	b = append(b, "&OptPlatform="...)
	b = append(b, m.platform()...)
	if s.token == "" {
		return b
	}
	last := s.last.Load()
	if last == nil || last.second != second {
		text := "&RequestTime=" + strconv.FormatInt(second, 10) + "&Sign=" + Sign(s.token, second)
		last = &signature{second: second, text: text}
		s.last.Store(last)
	}
	return append(b, last.text...)
}
