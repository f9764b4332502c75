package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browserVariable asks for the tests in a browser, which need Chromium and npm: 1,
// and then they must run.
const browserVariable = "CHATBRIDGE_TEST_BROWSER"

// browser is a tab of a real Chromium. What its console complains of fails the test.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// newBrowser returns a tab with nothing in it.
func newBrowser(t testing.TB) *browser {
	t.Helper()
	if os.Getenv(browserVariable) != "1" {
		notCovered(t, "the operator's page is tried in a browser where "+browserVariable+"=1")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // CI is root, and the page is ours
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	console := chromedp.Console(ctx) // the first call: the browser lives as long as ctx
	b := &browser{t: t, ctx: ctx}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		b.listen(console)
	}()
	t.Cleanup(func() { end(); <-heard })
	b.screen(1280, 1000, false)
	return b
}

func (b *browser) listen(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range console {
		if err != nil {
			return // the end
		}
		switch m.Type {
		case chromedp.ConsoleError, chromedp.ConsoleException, chromedp.ConsoleWarning:
			b.mu.Lock()
			b.complaints = append(b.complaints, m.String()+" "+m.URL)
			b.mu.Unlock()
		}
	}
}

// calm requires that the console has complained of nothing.
func (b *browser) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the console says: %s", c)
	}
}

// do carries out one action.
func do[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// tell gives the browser one command of its protocol.
func tell[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	do(b, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
}

// open opens a page.
func (b *browser) open(url string) {
	b.t.Helper()
	do(b, chromedp.Navigate(url))
}

// eval is what an expression is on the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return do(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// text is what stands in an element.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// shows waits until an element has a text.
func (b *browser) shows(selector, text string) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("%s shows %q", selector, text), func() error {
		if got := b.text(selector); !strings.Contains(got, text) {
			return fmt.Errorf("it shows %q", got)
		}
		return nil
	})
}

// screen is how large the window is.
func (b *browser) screen(width, height int64, mobile bool) {
	b.t.Helper()
	tell(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: mobile,
	})
}

// dark makes the reader one who likes it dark, or not.
func (b *browser) dark(dark bool) {
	b.t.Helper()
	value := map[bool]string{true: "dark", false: "light"}[dark]
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
}

// script lets scripts run, or not.
func (b *browser) script(runs bool) {
	b.t.Helper()
	tell(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !runs})
}

// picture takes what is in the window, for docs/screenshots.
func (b *browser) picture(name string) {
	b.t.Helper()
	// All pictures of the page are there before it is taken.
	eval[bool](b, "scrollTo(0, 0), Promise.all([...document.images].map(i => i.decode())).then(() => true)")
	png := do(b, chromedp.CaptureScreenshot())
	if !bytes.HasPrefix(png, []byte("\x89PNG")) {
		b.t.Errorf("the picture %s is none", name)
	}
	if sizes.pictures == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(sizes.pictures, name+".png"), png, 0o644); err != nil {
		b.t.Error(err)
	}
}

// accessible requires that axe finds nothing serious on the page.
func (b *browser) accessible(when string) {
	b.t.Helper()
	cmd := exec.Command("browser/get")
	cmd.Stderr = os.Stderr
	path, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("browser/get: %v", err)
	}
	axe, err := os.ReadFile(strings.TrimSpace(string(path)))
	if err != nil {
		b.t.Fatal(err)
	}
	eval[bool](b, string(axe)+"; true")
	const ask = `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify({rules: r.passes.length, found: r.violations.map(v =>
		({id: v.id, impact: v.impact, help: v.help, at: v.nodes.slice(0, 5).map(n => n.target + ": " + n.failureSummary)}))}))`
	var said struct {
		Rules int `json:"rules"`
		Found []struct {
			ID, Impact, Help string
			At               []string
		}
	}
	if err := json.Unmarshal([]byte(eval[string](b, ask)), &said); err != nil {
		b.t.Fatal(err)
	}
	if said.Rules == 0 {
		b.t.Errorf("%s: axe has checked nothing", when)
	}
	for _, f := range said.Found {
		report := b.t.Logf
		if f.Impact == "serious" || f.Impact == "critical" {
			report = b.t.Errorf
		}
		report("%s: axe finds %s (%s): %s\n%s", when, f.ID, f.Impact, f.Help, strings.Join(f.At, "\n"))
	}
	b.t.Logf("%s: axe passed %d rules, %d found", when, said.Rules, len(said.Found))
}
