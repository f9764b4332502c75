package bridge

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 1MiB, 10GiB, 64KB or plain 4096.
type Size int64

// The units of a size that are powers of two.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// sizeUnit is one way to write a multiple of bytes.
type sizeUnit struct {
	name  string // lower case
	bytes int64
}

// sizeUnits lists the units from the largest to the smallest power of two, and
// then the decimal ones, which are only ever read.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"tib", int64(TiB)}, {"gib", int64(GiB)}, {"mib", int64(MiB)}, {"kib", int64(KiB)},
		{"tb", 1e12}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"b", 1}, {"", 1},
	}
}

// ParseSize reads a size. It takes whole numbers only: 1536MiB, not 1.5GiB.
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.ToLower(strings.TrimSpace(text[len(digits):]))
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is not a size; write a whole number of bytes with a unit, such as 512KiB, 1MiB or 10GiB", quote(text))
	}
	for _, u := range sizeUnits() {
		if u.name != unit {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("%s is more bytes than can be counted", quote(text))
		}
		return Size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%s has a unit that is not known; use B, KiB, MiB, GiB or TiB", quote(text))
}

// String writes the size with the largest unit that divides it, as [ParseSize]
// reads it.
func (s Size) String() string {
	for _, u := range []struct {
		name string
		size Size
	}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size as [ParseSize] does.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := ParseSize(string(text))
	if err != nil {
		return err
	}
	*s = n
	return nil
}

// String writes the hold as UnmarshalText reads it: adaptive, 0, or a duration.
func (h Hold) String() string {
	switch {
	case h.Adaptive:
		return "adaptive"
	case h.Fixed == 0:
		return "0"
	default:
		return formatDuration(h.Fixed)
	}
}

// MarshalText writes what UnmarshalText reads.
func (h Hold) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the word adaptive, a duration, or 0 for off.
func (h *Hold) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), "adaptive") {
		*h = Hold{Adaptive: true}
		return nil
	}
	d, err := parseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%s is not a hold; write adaptive, a duration such as 200ms, or 0 to let nothing wait", quote(string(text)))
	}
	*h = Hold{Fixed: d}
	return nil
}

// parseDuration reads a duration that has a unit, or 0.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d >= 0 {
		return d, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && !strings.HasPrefix(text, "-") {
		return 0, fmt.Errorf("%s has no unit; write %sms or %ss", quote(text), text, text)
	}
	return 0, fmt.Errorf("%s is not a duration; write a number with a unit, such as 20ms, 1s or 5m", quote(text))
}

// formatDuration writes a duration without the zero parts that
// [time.Duration.String] adds: 1m, not 1m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// matchWord finds text among words, whatever the case of its letters.
func matchWord(text string, words []string) (string, error) {
	for _, w := range words {
		if strings.EqualFold(text, w) {
			return w, nil
		}
	}
	if words[0] == "" {
		return "", fmt.Errorf("%s is not known; use %s, or \"\" for none", quote(text), orList(words[1:]))
	}
	return "", fmt.Errorf("%s is not known; use %s", quote(text), orList(words))
}

// splitList takes a comma-separated list apart. An empty list, or an empty entry in
// one, is taken for a variable that was not filled in, not for a wish.
func splitList(text string) ([]string, error) {
	entries := strings.Split(text, ",")
	for i, e := range entries {
		entries[i] = strings.TrimSpace(e)
		if entries[i] == "" {
			return nil, errors.New("is a comma-separated list with an empty entry; give at least one value, and none that is empty")
		}
	}
	return entries, nil
}

// orList joins words as a sentence does: a, b or c.
func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// quote shows a value in a message: quoted, and cut where it is long.
func quote(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return strconv.Quote(text)
}
