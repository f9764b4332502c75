package ingest

import (
	"net/url"
	"strings"
)

// query is what the steps need of a request's query. Of a parameter that comes
// several times the first counts, as schema.ParseQuery has it too.
type query struct {
	appID       string
	command     string
	sign        string
	requestTime string
	hasCommand  bool
}

// parseQuery reads a raw query without building a map. A parameter whose
// percent-encoding is broken keeps its spelling: it then matches no name, or is
// a value that nothing accepts.
func parseQuery(raw string) query {
	var q query
	var seen [4]bool
	take := func(i int, into *string, value string) {
		if !seen[i] {
			seen[i], *into = true, unescape(value)
		}
	}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		switch unescape(key) {
		case "SdkAppid":
			take(0, &q.appID, value)
		case "CallbackCommand":
			take(1, &q.command, value)
		case "Sign":
			take(2, &q.sign, value)
		case "RequestTime":
			take(3, &q.requestTime, value)
		}
	}
	q.hasCommand = q.command != ""
	return q
}

// appendWithoutSign appends raw to dst, less every parameter named Sign. Order
// and spelling of the others stay.
func appendWithoutSign(dst []byte, raw string) []byte {
	first := true
	for more := true; more; {
		var pair string
		pair, raw, more = strings.Cut(raw, "&")
		key, _, _ := strings.Cut(pair, "=")
		if unescape(key) == "Sign" {
			continue
		}
		if !first {
			dst = append(dst, '&')
		}
		dst, first = append(dst, pair...), false
	}
	return dst
}

// unescape decodes percent-encoding and "+"; what is broken stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}
