//lint:file-ignore SA1019 the newer form of dashboards, v2, is not read by the Grafana that most people have

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	text, err := render()
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// render is the file, whole.
func render() ([]byte, error) {
	built, err := board().Build()
	if err != nil {
		return nil, fmt.Errorf("build the dashboard: %w", err)
	}
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// source is the Prometheus that whoever looks has chosen.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

func board() *dashboard.DashboardBuilder {
	b := dashboard.NewDashboardBuilder("Chatbridge").
		Uid("chatbridge").
		Description("One or several bridges. Alerts lead to docs/runbook.md; docs/metrics.md says what each metric is.").
		Tags([]string{"chatbridge"}).
		Refresh("30s").
		Time("now-3h", "now").
		Timezone(common.TimeZoneBrowser).
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Runbook").Type(dashboard.DashboardLinkTypeLink).
			Url("https://github.com/chatbridge/chatbridge/blob/main/docs/runbook.md").TargetBlank(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("instance").Label("bridge").
			Datasource(source()).
			Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(chatbridge_ready, instance)")}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
			Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true))
	for _, r := range rows() {
		b.WithRow(dashboard.NewRowBuilder(r.title))
		for _, s := range r.states {
			b.WithPanel(s.build())
		}
		for _, p := range r.panels {
			b.WithPanel(p.build())
		}
	}
	return b
}

// of is a query of the bridges that are looked at: $of stands for the selector.
func of(query string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source()).Expr(strings.ReplaceAll(query, "$of", `instance=~"$instance"`))
}

// Widths and heights, of a grid of 24 columns.
const (
	stateWidth, stateHeight = 4, 4
	panelWidth, panelHeight = 8, 8
)

// build is a figure that is green or red.
func (s state) build() *stat.PanelBuilder {
	colors := []dashboard.Threshold{{Color: "red"}, {Value: cog.ToPtr(s.from), Color: "green"}}
	if s.bad {
		colors[0].Color, colors[1].Color = "green", "red"
	}
	return stat.NewPanelBuilder().
		Title(s.title).Description(s.description).Unit(s.unit).
		Datasource(source()).
		Span(stateWidth).Height(stateHeight).
		ColorMode(common.BigValueColorModeBackground).GraphMode(common.BigValueGraphModeNone).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(colors)).
		WithTarget(of(s.query).LegendFormat("{{instance}}"))
}

// build is lines over time.
func (p panel) build() *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().
		Title(p.title).Description(p.description).Unit(p.unit).Min(0).
		Datasource(source()).
		Span(panelWidth).Height(panelHeight).
		FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).
			DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, l := range p.lines {
		b.WithTarget(of(l.query).LegendFormat(l.legend).RefId(string(rune('A' + i))))
	}
	return b
}
