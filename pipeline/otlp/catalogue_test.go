package otlp

import (
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"go.yaml.in/yaml/v3"

	"shaketable/perturb"
	"shaketable/pipeline"
)

var update = flag.Bool("update", false, "write the catalogue anew from what is exported")

const catalogueFile = "../../deploy/metrics.yaml"

// entry is one metric of the catalogue.
type entry struct {
	Name       string   `yaml:"name"`
	Prometheus string   `yaml:"prometheus"`
	Kind       string   `yaml:"kind"`
	Unit       string   `yaml:"unit"`
	Help       string   `yaml:"help"`
	Attributes []string `yaml:"attributes,flow"`
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func snapshot() *pipeline.Snapshot {
	rate := func(v float64) *pipeline.Rate { return &pipeline.Rate{Value: v, Low: v - .05, High: v + .03, N: 400} }
	scope := pipeline.ScopeView{Scope: pipeline.ScopeDetector, RASelf: rate(.95), RR: []pipeline.ToleranceFigure{{Tolerance: .05, RR: *rate(.62)},
		{Tolerance: .1, RR: *rate(.75)}, {Tolerance: .005, RR: *rate(.2)}}}
	family := pipeline.ScopeView{Scope: pipeline.ScopeFamily, Family: "jpeg", RASelf: rate(.5)}
	return &pipeline.Snapshot{Detector: "a", Notify: "page", ComputedAt: noon.Add(-10 * time.Second), Watermark: noon.Add(-time.Minute),
		Generation: pipeline.GenerationView{ID: "g", Version: "1.0"},
		Tiers:      []pipeline.TierView{{Tier: pipeline.Paging, State: pipeline.StateFiring}, {Tier: pipeline.Ticketing, State: pipeline.StateOK}},
		Series: []pipeline.SeriesView{{Tier: pipeline.Paging, Judged: true, Evidence: .25}, {Tier: pipeline.Paging, Judged: true, Evidence: .75},
			{Tier: pipeline.Ticketing, Evidence: .9}},
		Slices: []pipeline.SliceView{{Slice: "source=web", Windows: []pipeline.SliceWindow{{Name: "15m", Detections: 900, Share: .18, RASelf: rate(.9), RR: rate(.4)}}},
			{Slice: "source=tv", Windows: []pipeline.SliceWindow{{Name: "15m"}}}},
		Labels: &pipeline.LabelView{Coverage: rate(.87)}, Panel: &pipeline.PanelView{Moved: 3},
		Windows: []pipeline.WindowView{{Name: "15m", Probes: 90, Detections: 5000, Inconclusive: map[string]int64{"timeout": 6, "model": 4},
			CleanAccuracy: rate(.9), Skew: rate(.98), Scopes: []pipeline.ScopeView{scope, family}}}}
}

// exercised is telemetry in which everything has happened once.
func exercised(t *testing.T, endpoint string) *Telemetry {
	t.Helper()
	tel := openAt(t, endpoint, nil)
	stats, health := &pipeline.Stats{}, &pipeline.Health{}
	for i, n := range []interface{ Store(int64) }{&stats.Applied, &stats.Batches, &stats.Replays, &stats.Fenced, &stats.Repeats, &stats.Letters, &stats.InFlight, &stats.Gaps} {
		n.Store(int64(11 + i))
	}
	stats.Positions.Set(pipeline.Position{Stream: pipeline.Detections, Partition: 3, Applied: 10, End: 17})
	health.Set("store", errors.New("away"))
	if err := tel.Watch(Process{Stats: stats, Health: health, Now: func() time.Time { return noon },
		Snapshots: func(time.Time) []*pipeline.Snapshot { return []*pipeline.Snapshot{snapshot()} },
		Devices: func() []Device {
			return []Device{{"a", "1.0", func() float64 { return 2.5 }, func() int64 { return 840 }}, {"b", "1.0", func() float64 { return 1 }, nil}}
		},
		SampleRate: func(time.Time) (float64, bool) { return .01, true },
		Outbox:     func() []Waiting { return []Waiting{{"a", "otlp", 2}} }}); err != nil {
		t.Fatal(err)
	}
	tel.Probed(&pipeline.Subject{Detector: pipeline.Detector{Name: "a", Version: "1.0"},
		Generation: pipeline.Generation{Variants: []perturb.Variant{{Family: "jpeg"}, {Family: "blur"}, {Family: "gain"}}}},
		pipeline.Reading{Changes: []pipeline.Change{{Ticks: 30_000, Half: pipeline.Kept}, {Ticks: 400_000, Half: pipeline.ToReal}, {}}}, 40*time.Millisecond)
	tel.Attacked(&pipeline.Subject{Detector: pipeline.Detector{Name: "a", Version: "1.0"}}, "", 2*time.Second)
	tel.Attacked(&pipeline.Subject{Detector: pipeline.Detector{Name: "a", Version: "1.0"}}, pipeline.ReasonTimeout, 30*time.Second)
	tel.Delivered("otlp", nil)
	tel.Delivered("otlp", errors.New("away"))
	return tel
}

func scrape(t *testing.T, tel *Telemetry) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "shaketable_") {
			delete(families, name)
		}
	}
	return families
}

// TestCatalogue: deploy/metrics.yaml says exactly what a process exports, by scrape and by OTLP.
func TestCatalogue(t *testing.T) {
	r := newReceiver(t)
	tel := exercised(t, r.address)
	families := scrape(t, tel)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []entry
	for _, name := range sorted(r.metrics) {
		kind, attributes := pointsOf(t, r.metrics[name])
		got = append(got, entry{Name: name, Prometheus: exported(families, name), Kind: kind, Unit: r.metrics[name].Unit, Help: r.metrics[name].Description, Attributes: attributes})
	}
	if *update {
		writeCatalogue(t, got)
	}
	text, err := os.ReadFile(catalogueFile)
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Metrics []entry }
	if err := yaml.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Metrics) < 20 || !reflect.DeepEqual(got, want.Metrics) {
		t.Errorf("exported:\n%+v\ncatalogue:\n%+v", got, want.Metrics)
	}
	for _, e := range want.Metrics {
		f := families[e.Prometheus]
		if f == nil {
			t.Errorf("%s is not in the scrape", e.Prometheus)
			continue
		}
		kind := map[dto.MetricType]string{dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram"}[f.GetType()]
		if kind != e.Kind || f.GetHelp() != e.Help || !slices.Equal(labelsOf(f), e.Attributes) {
			t.Errorf("scraped %s %s %q %v; the catalogue has %+v", e.Prometheus, kind, f.GetHelp(), labelsOf(f), e)
		}
		delete(families, e.Prometheus)
	}
	if len(families) > 0 {
		t.Errorf("scraped, but not in the catalogue: %v", sorted(families))
	}
}

// TestFigures looks at the numbers behind the names, in the form that dashboards ask for them.
func TestFigures(t *testing.T) {
	families := scrape(t, exercised(t, ""))
	for want, value := range map[string]float64{
		`shaketable_robust_accuracy{detector=a,version=1.0,window=15m}`:                 .95,
		`shaketable_robust_accuracy_bound{bound=low,detector=a,version=1.0,window=15m}`: .90,
		`shaketable_robust_ratio{detector=a,tolerance=0.05,version=1.0,window=15m}`:     .62,
		`shaketable_robust_ratio{detector=a,tolerance=0.10,version=1.0,window=15m}`:     .75,
		`shaketable_robust_ratio{detector=a,tolerance=0.005,version=1.0,window=15m}`:    .2,
		`shaketable_serving_skew{detector=a,version=1.0,window=15m}`:                    .02,
		`shaketable_probe_inconclusive{detector=a,version=1.0,window=15m}`:              .1,
		`shaketable_drift_evidence{detector=a,tier=page,version=1.0}`:                   .75,
		`shaketable_alert_active{detector=a,notify=page,state=firing,tier=page}`:        1,
		`shaketable_alert_active{detector=a,notify=page,state=ok,tier=page}`:            0,
		`shaketable_alert_outbox{detector=a,sink=otlp}`:                                 2,
		`shaketable_watermark_age_seconds{detector=a}`:                                  60,
		`shaketable_evaluation_last_success_seconds{detector=a}`:                        float64(noon.Unix() - 10),
		`shaketable_consumer_lag{partition=3,stream=detections}`:                        7,
		`shaketable_records_applied_total{}`:                                            11,
		`shaketable_batches_refused_total{}`:                                            14,
		`shaketable_records_missing_total{}`:                                            18,
		`shaketable_device_seconds_total{detector=a,version=1.0}`:                       2.5,
		`shaketable_attack_queries_total{detector=a,version=1.0}`:                       840,
		`shaketable_attack_duration_seconds{detector=a,result=timeout,version=1.0}`:     1, // count
		`shaketable_alert_deliveries_total{result=acknowledged,sink=otlp}`:              1,
		`shaketable_window_samples{detector=a,kind=labelled,version=1.0,window=15m}`:    400,
		`shaketable_label_coverage{detector=a}`:                                         .87,
		`shaketable_panel_moved{detector=a,version=1.0}`:                                3,
		`shaketable_sampling_rate{}`:                                                    .01,
		`shaketable_slice_share{detector=a,slice=source=web,version=1.0}`:               .18,
		`shaketable_slice_robust_accuracy{detector=a,slice=source=web,version=1.0}`:     .9,
		`shaketable_slice_robust_ratio{detector=a,slice=source=web,version=1.0}`:        .4,
		`shaketable_health_faults{}`:                                                    1,
		`shaketable_probe_change{detector=a,family=jpeg,version=1.0}`:                   1, // count
		`shaketable_probe_duration_seconds{detector=a,version=1.0}`:                     1,
	} {
		name, labels, _ := strings.Cut(want, "{")
		found := false
		for _, m := range families[name].GetMetric() {
			if text(m) == "{"+labels {
				found = true
				got := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				if diff := got - value; diff > 1e-9 || diff < -1e-9 {
					t.Errorf("%s is %v, want %v", want, got, value)
				}
			}
		}
		if !found {
			t.Errorf("there is no %s", want)
		}
	}
	if _, ok := families["shaketable_drift_evidence"]; ok && len(families["shaketable_drift_evidence"].Metric) != 1 {
		t.Error("evidence of a tier in which nothing is judged")
	}
	if n := len(families["shaketable_slice_share"].GetMetric()); n != 1 {
		t.Errorf("%d slices are shown: one of the two has no traffic", n)
	}
}

func text(m *dto.Metric) string {
	var parts []string
	for _, l := range m.GetLabel() {
		parts = append(parts, l.GetName()+"="+l.GetValue())
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",") + "}"
}

// TestGapInsteadOfFrozenLine: what no alerter of this process vouches for any more is absent from the next scrape.
func TestGapInsteadOfFrozenLine(t *testing.T) {
	tel := openAt(t, "", nil)
	list := []*pipeline.Snapshot{snapshot()}
	if err := tel.Watch(Process{Stats: &pipeline.Stats{}, Health: &pipeline.Health{}, Now: time.Now, Snapshots: func(time.Time) []*pipeline.Snapshot { return list },
		Devices: func() []Device { return nil }, Outbox: func() []Waiting { return nil }}); err != nil {
		t.Fatal(err)
	}
	if scrape(t, tel)["shaketable_robust_accuracy"] == nil {
		t.Fatal("RA is absent while it is known")
	}
	list = nil
	families := scrape(t, tel)
	for _, name := range []string{"shaketable_robust_accuracy", "shaketable_robust_ratio", "shaketable_alert_active", "shaketable_evaluation_last_success_seconds"} {
		if families[name] != nil {
			t.Errorf("%s is still there", name)
		}
	}
	if families["shaketable_records_applied_total"] == nil {
		t.Error("the counters of the worker are gone too")
	}
}

func exported(families map[string]*dto.MetricFamily, name string) string {
	base := strings.ReplaceAll(name, ".", "_")
	for _, suffix := range []string{"", "_total", "_seconds", "_seconds_total"} {
		if families[base+suffix] != nil {
			return base + suffix
		}
	}
	return ""
}

// pointsOf returns the kind and the attribute names of a metric as OTLP carries it.
func pointsOf(t *testing.T, m *metricsv1.Metric) (kind string, attributes []string) {
	t.Helper()
	names := map[string]bool{}
	keep := func(list []*common.KeyValue) {
		for _, kv := range list {
			names[kv.Key] = true
		}
	}
	switch d := m.Data.(type) {
	case *metricsv1.Metric_Gauge:
		kind = "gauge"
		for _, p := range d.Gauge.DataPoints {
			keep(p.Attributes)
		}
	case *metricsv1.Metric_Sum:
		kind = "counter"
		for _, p := range d.Sum.DataPoints {
			keep(p.Attributes)
		}
	case *metricsv1.Metric_Histogram:
		kind = "histogram"
		for _, p := range d.Histogram.DataPoints {
			keep(p.Attributes)
		}
	default:
		t.Fatalf("%s is a %T", m.Name, d)
	}
	return kind, sorted(names)
}

func labelsOf(f *dto.MetricFamily) []string {
	names := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			names[l.GetName()] = true
		}
	}
	return sorted(names)
}

func sorted[V any](m map[string]V) []string {
	keys := []string{}
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func writeCatalogue(t *testing.T, list []entry) {
	t.Helper()
	body, err := yaml.Marshal(map[string]any{"metrics": list})
	if err != nil {
		t.Fatal(err)
	}
	const head = `# Every metric of a process: its OpenTelemetry name and the name that Prometheus sees. A test holds this file against a
# real scrape and a real OTLP export; go test ./pipeline/otlp -run Catalogue -update writes it anew.
# Metrics with the attribute window, and shaketable.alert.active, come only from the process that holds the lease of the
# detector: when nobody knows, the series ends. Attributes never hold anything of a media.
`
	if err := os.WriteFile(catalogueFile, fmt.Appendf(nil, "%s%s", head, body), 0o644); err != nil {
		t.Fatal(err)
	}
}
