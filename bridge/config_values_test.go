package bridge

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSizesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "4096": 4096, "1B": 1, "1KiB": 1024, "1mib": 1 << 20, "10 GiB": 10 << 30, "2TiB": 2 << 40,
		"1KB": 1000, "3GB": 3_000_000_000, "8191TiB": 8191 << 40,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "1G", "1 KiB x", "0x10", "1e3", "9223372036854775808", "9007199254740992KiB", "１MiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := ParseSize(size.String()); got != size || err != nil {
			t.Errorf("size %d is written %q and read %d, %v", size, size, got, err)
		}
		d := time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		if got, err := parseDuration(formatDuration(d)); got != d || err != nil {
			t.Errorf("duration %v is written %q and read %v, %v", d, formatDuration(d), got, err)
		}
		hold := Hold{Fixed: d}
		if rapid.Bool().Draw(t, "adaptive") {
			hold = Hold{Adaptive: true}
		}
		var got Hold
		if err := got.UnmarshalText([]byte(hold.String())); got != hold || err != nil {
			t.Errorf("hold %v is written %q and read %v, %v", hold, hold, got, err)
		}
	})
}

func TestDurationsAreWrittenShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 20 * time.Millisecond: "20ms", time.Minute: "1m", time.Hour: "1h",
		10 * time.Minute: "10m", 90 * time.Second: "1m30s", time.Hour + time.Second: "1h0m1s", 10 * time.Hour: "10h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%d is written %q, want %q", d, got, want)
		}
	}
}

func TestNearestFindsSlipsOnly(t *testing.T) {
	t.Parallel()
	keys := []string{"topic", "brokers", "partitions"}
	for text, want := range map[string]string{
		"topik": "topic", "Topic": "topic", "brokres": "brokers", "partition": "partitions",
		"xyz": "", "": "", "something_else": "",
	} {
		if got := nearest(text, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestQuoteIsShortAndOnOneLine(t *testing.T) {
	t.Parallel()
	if got := quote("a\nb\x1b[31m"); got != `"a\nb\x1b[31m"` {
		t.Errorf("got %s", got)
	}
	if got := quote(strings.Repeat("界", 100)); len([]rune(got)) != 63 {
		t.Errorf("got %d characters: %s", len([]rune(got)), got)
	}
}

// FuzzConfig: no file and no variable makes the reader panic or hang, and what has no
// fault can be printed and read again.
func FuzzConfig(f *testing.F) {
	f.Add(oneApp, "CHATBRIDGE_LOG_LEVEL", "info")
	f.Add("apps: &a\n  - {sdk_app_id: 1, tokens: [x]}\nhttp: {listen: ':1', tls: {}}\n", "CHATBRIDGE_APPS", "[{sdk_app_id: 2}]")
	f.Add("a: [\n", "CHATBRIDGE_APPS_0_TOKENS", "a,b")
	f.Add("a: &a [*a]\n<<: {}\n? [x]\n: y\n", "CHATBRIDGE_APPS", "*x")
	f.Add("kafka: {brokers: [\"a:1\"], sasl: {mechanism: plain, password: x, username: y}}\n", "CHATBRIDGE_HTTP_PORT", "tcp://x")
	f.Add("shutdown_timeout: !!binary x\nresequence: {hold: 0, floor: 1ms}\n---\n", "CHATBRIDGE_APPS_9999_TOKENS", "")
	f.Add("? !!merge\n: 1\n!!float x: .inf\nhttp: !!set {listen}\n", "CHATBRIDGE_HTTP_MAX_BODY", "1 KiB")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		s := &Settings{Config: DefaultConfig(), origins: map[string]Origin{}}
		s.readYAML([]byte(text), Origin{Layer: LayerFile, Name: "c.yaml"})
		s.readEnvironment([]string{name + "=" + value})
		for _, f := range s.faults {
			if f.Message == "" || f.Origin.Layer == LayerDefault {
				t.Errorf("fault without message or place: %+v", f)
			}
		}
		if s.ReadErr() != nil {
			return
		}
		var printed strings.Builder
		if err := s.WriteYAML(&printed, true); err != nil {
			t.Fatal(err)
		}
		again := &Settings{Config: DefaultConfig(), origins: map[string]Origin{}}
		again.readYAML([]byte(printed.String()), Origin{Layer: LayerFile, Name: "printed"})
		if err := again.ReadErr(); err != nil {
			t.Errorf("what was printed cannot be read: %v\n%s", err, printed.String())
		}
	})
}
