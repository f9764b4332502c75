package ops

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-analyze/charts"
)

// Chart is how something went. This file is the one door to the library that
// draws it.
type Chart struct {
	Name   string // in URLs
	Title  string
	Unit   Unit
	Times  []time.Time // as many as each series has values
	Series []Series
}

// Series is one line. NaN is where nothing is known.
type Series struct {
	Name   string
	Values []float64
}

// Unit is what the numbers of a chart are.
type Unit uint8

// The units.
const (
	UnitCount Unit = iota
	UnitPerSecond
	UnitPerMinute
	UnitSeconds
	UnitBytes
)

// The size of a chart, in its own units; a browser scales it.
const (
	chartWidth  = 640
	chartHeight = 240
	timeLabels  = 7
	valueLabels = 5
)

// draw returns the chart as SVG, for a light or a dark page.
func (c *Chart) draw(dark bool) ([]byte, error) {
	values := make([][]float64, len(c.Series))
	names := make([]string, len(c.Series))
	for i, s := range c.Series {
		names[i] = s.Name
		values[i] = make([]float64, len(s.Values))
		for j, v := range s.Values {
			if values[i][j] = v * c.Unit.scale(); math.IsNaN(v) {
				values[i][j] = charts.GetNullValue()
			}
		}
	}
	o := charts.NewLineChartOptionWithData(values)
	o.Theme = theme(dark)
	o.XAxis.Labels = make([]string, len(c.Times))
	for i, at := range c.Times {
		o.XAxis.Labels[i] = at.UTC().Format("15:04")
	}
	o.XAxis.LabelCount = timeLabels
	o.XAxis.BoundaryGap = charts.Ptr(false)
	o.YAxis[0].Min = charts.Ptr(0.)
	o.YAxis[0].LabelCount = valueLabels
	o.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	o.LineStrokeWidth = 1.5
	o.Legend.SeriesNames = names
	o.Legend.Symbol = charts.SymbolSquare
	o.ValueFormatter = func(v float64) string { return c.Unit.format(v / c.Unit.scale()) }
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: chartHeight})
	if err := p.LineChart(o); err != nil {
		return nil, fmt.Errorf("draw the chart %s: %w", c.Name, err)
	}
	return p.Bytes()
}

// theme has no background: the page's own shows. The colours keep their contrast
// on it, and differ in lightness too.
func theme(dark bool) charts.ColorPalette {
	hex := charts.ColorFromHex
	o := charts.ThemeOption{
		BackgroundColor: charts.ColorTransparent, TextColor: hex("#333333"),
		AxisStrokeColor: hex("#777777"), AxisSplitLineColor: hex("#dddddd"),
		SeriesColors: []charts.Color{hex("#0b62a8"), hex("#c2410c"), hex("#15803d"), hex("#7e22ce"), hex("#a16207"), hex("#111111")},
	}
	if dark {
		o.IsDarkMode, o.TextColor, o.AxisSplitLineColor = true, hex("#dddddd"), hex("#3a3a3a")
		o.SeriesColors = []charts.Color{hex("#6cb6ff"), hex("#ff9d5c"), hex("#5fd38a"), hex("#d0a2ff"), hex("#f0c95a"), hex("#ffffff")}
	}
	return charts.MakeTheme(o)
}

// Summary says in words what the chart shows, for who does not see it.
func (c *Chart) Summary() string {
	var lines []string
	for _, s := range c.Series {
		last, top := math.NaN(), math.NaN()
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				last = v
				if !(v <= top) {
					top = v
				}
			}
		}
		if !math.IsNaN(last) {
			lines = append(lines, fmt.Sprintf("%s: now %s, at most %s", s.Name, c.Unit.format(last), c.Unit.format(top)))
		}
	}
	if len(lines) == 0 {
		return "nothing in the last hour"
	}
	return strings.Join(lines, "; ")
}

// scale makes numbers that an axis can be divided by: it takes no steps below 1.
func (u Unit) scale() float64 {
	if u == UnitSeconds {
		return 1000
	}
	return 1
}

// format writes a number with its unit, short enough for an axis.
func (u Unit) format(v float64) string {
	switch u {
	case UnitPerSecond:
		return decimal(v) + "/s"
	case UnitPerMinute:
		return decimal(v) + "/min"
	case UnitSeconds:
		if v < 1 {
			return decimal(v*1000) + " ms"
		}
		return decimal(v) + " s"
	case UnitBytes:
		for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
			if v < 1024 {
				return decimal(v) + " " + unit
			}
			v /= 1024
		}
		return decimal(v) + " TiB"
	default:
		return decimal(v)
	}
}

// decimal writes a number with one digit behind the point where it is small.
func decimal(v float64) string {
	if v >= 10 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
