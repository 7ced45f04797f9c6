package server

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/physic"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$`)

// parseMetrics reads a text as its specification says, more strictly than Prometheus:
// every sample belongs to the family above it, none is there twice.
func parseMetrics(t *testing.T, text string) map[string]float64 {
	t.Helper()
	out, families := map[string]float64{}, map[string]bool{}
	family, kind := "", ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if f := strings.SplitN(line, " ", 4); f[0] == "#" && len(f) == 4 {
			switch {
			case f[1] == "HELP" && !families[f[2]]:
				family, families[f[2]] = f[2], true
			case f[1] == "TYPE" && f[2] == family:
				kind = f[3]
			default:
				t.Fatalf("line %q after family %q", line, family)
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %q is no sample", line)
		}
		name := m[1]
		if kind == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if _, twice := out[m[1]+m[2]]; name != family || twice || err != nil || math.IsNaN(v) {
			t.Fatalf("line %q in family %s: %v", line, family, err)
		}
		out[m[1]+m[2]] = v
	}
	return out
}

// TestMetrics: the metrics count what was asked, in the form that Prometheus reads.
func TestMetrics(t *testing.T) {
	counts := NewMetrics()
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "a \"b\"\\\n", Time: time.Unix(1, 0)}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 2, Context: 256},
		Events: counts.Model,
	})
	events := uint64(3)
	srv := New(h, Options{Version: "1.2", Metrics: counts, Device: func() telemetry.Snapshot {
		return telemetry.Snapshot{
			Temperatures:  []telemetry.Temperature{{Name: "cpu-thermal", Value: 48*physic.Kelvin + physic.ZeroCelsius}},
			Frequencies:   []telemetry.Frequency{{CPU: 2, Now: 1500 * physic.MegaHertz, Max: 1800 * physic.MegaHertz}},
			Throttle:      &telemetry.Throttle{Now: telemetry.Causes{SoftLimit: true}, SinceBoot: telemetry.Causes{UnderVoltage: true, SoftLimit: true}},
			Cooling:       []telemetry.Cooling{{Device: "cooling_device0", Type: "pwm-fan", State: 3, Most: 4}},
			ThermalEvents: &events,
			Memory:        cpu.Memory{Total: 8 << 30, Available: 4 << 30},
		}
	}, Gate: Access{Token: "0123456789abcdef"}.Guard})
	ts := httptest.NewUnstartedServer(srv.Handler())
	ts.Config.ConnContext = Access{}.ConnContext
	ts.Start()
	defer ts.Close()
	defer h.Drain(t.Context()) //nolint:errcheck // nothing runs
	do := func(method, path, body, token string) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequest(method, ts.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, a.Header, string(b)
	}
	const token = "0123456789abcdef"
	if status, header, _ := do("GET", "/metrics", "", "wrong"); status != http.StatusUnauthorized || !strings.HasPrefix(header.Get("X-Request-Id"), "req-") {
		t.Errorf("without the token: %d, id %q", status, header.Get("X-Request-Id"))
	}
	for range 3 {
		if status, _, body := do("POST", "/v1/completions", `{"prompt":"Once upon a time","max_tokens":9,"seed":1}`, token); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	do("POST", "/v1/completions", `{"prompt":7,`, token)
	do("GET", "/v1/models/x/y", "", token)
	do("GET", "/nowhere/"+strings.Repeat("x", 99), "", token)
	do("BREW", "/v1/models", "", token)
	var got map[string]float64
	const model = `{model="a \"b\"\\\n"}`
	for range 100 { // the scheduler counts a request when it has left
		status, header, body := do("GET", "/metrics", "", token)
		if status != 200 || header.Get("Content-Type") != expositionType {
			t.Fatalf("%d %s", status, header)
		}
		got = parseMetrics(t, body)
		if got[`qwqd_answers_total{model="a \"b\"\\\n",finish="length"}`] == 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for name, want := range map[string]float64{
		`qwqd_http_requests_total{method="POST",path="/v1/completions",code="200"}`:     3,
		`qwqd_http_requests_total{method="POST",path="/v1/completions",code="400"}`:     1,
		`qwqd_http_requests_total{method="GET",path="/v1/models/{name...}",code="404"}`: 1,
		`qwqd_http_requests_total{method="GET",path="other",code="401"}`:                1,
		`qwqd_http_requests_total{method="GET",path="other",code="404"}`:                1,
		`qwqd_http_requests_total{method="other",path="/v1/",code="405"}`:               1,
		`qwqd_answers_total{model="a \"b\"\\\n",finish="length"}`:                       3,
		`qwqd_generated_tokens_total` + model:                                           27,
		`qwqd_time_to_first_token_seconds_count` + model:                                3,
		`qwqd_inter_token_seconds_count` + model:                                        24,
		`qwqd_inter_token_seconds_bucket{model="a \"b\"\\\n",le="+Inf"}`:                24,
		`qwqd_queue_length` + model:                                                     0,
		`qwqd_running_requests` + model:                                                 0,
		`qwqd_kv_block_bytes` + model:                                                   got[`qwqd_kv_block_bytes`+model],
		`qwqd_build_info{version="1.2",go="` + goVersion(got) + `"}`:                    1,
		`qwqd_temperature_celsius{sensor="cpu-thermal"}`:                                48,
		`qwqd_cpu_frequency_hertz{cpu="2"}`:                                             1.5e9,
		`qwqd_throttled{cause="soft_temperature_limit"}`:                                1,
		`qwqd_throttled{cause="under_voltage"}`:                                         0,
		`qwqd_throttled_since_boot{cause="under_voltage"}`:                              1,
		`qwqd_cooling_state{device="cooling_device0",type="pwm-fan"}`:                   3,
		`qwqd_cooling_state_max{device="cooling_device0",type="pwm-fan"}`:               4,
		`qwqd_thermal_throttle_events_total`:                                            3,
		`qwqd_memory_available_bytes`:                                                   4 << 30,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	for name, most := range map[string]float64{
		"qwqd_prompt_tokens_total" + model: 100, "qwqd_cached_tokens_total" + model: 100, "qwqd_steps_total" + model: 60, "qwqd_rows_total" + model: 100, "qwqd_step_seconds_total" + model: 60,
		"qwqd_kv_blocks_used" + model: 99, "qwqd_kv_blocks_free" + model: 99, "qwqd_model_bytes" + model: 1 << 24, "qwqd_kept_sequences" + model: 8,
		"process_resident_memory_bytes": 1 << 40, "qwqd_anonymous_memory_bytes": 1 << 40, "go_goroutines": 1000, "process_open_fds": 1000, "go_memory_heap_bytes": 1 << 40,
		"qwqd_time_to_first_token_seconds_sum" + model: 60, "qwqd_inter_token_seconds_sum" + model: 60,
	} {
		if v, ok := got[name]; !ok || v <= 0 || v > most {
			t.Errorf("%s is %v (%v), want more than 0 and at most %v", name, v, ok, most)
		}
	}
}

// goVersion is the value of that label, whatever it is.
func goVersion(m map[string]float64) string {
	for k := range m {
		if _, v, ok := strings.Cut(k, `,go="`); ok {
			return strings.TrimSuffix(v, `"}`)
		}
	}
	return ""
}

// TestHistogram: a bound belongs to its bucket, buckets add up.
func TestHistogram(t *testing.T) {
	h := newHistogram([]float64{1, 2})
	for _, v := range []float64{0, 1, 1.5, 2, 2.5} {
		h.observe(v)
	}
	e := &exposition{}
	e.family("x", "histogram", "X.")
	e.histogram(&h)
	want := "# HELP x X.\n# TYPE x histogram\n" + `x_bucket{le="1"} 2
x_bucket{le="2"} 4
x_bucket{le="+Inf"} 5
x_sum 7
x_count 5
`
	if got := string(e.b); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestScrapeWhileCounting: a scrape beside the counting sees whole histograms.
func TestScrapeWhileCounting(t *testing.T) {
	m := NewMetrics()
	events, done := m.Model("m"), make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20000 {
			events.Token(time.Duration(i) * time.Microsecond)
			m.request("GET", fmt.Sprintf("GET /%d", i%3), 200)
		}
	}()
	for range 50 {
		e := &exposition{}
		m.write(e)
		got := parseMetrics(t, string(e.b))
		if n, inf := got[`qwqd_inter_token_seconds_count{model="m"}`], got[`qwqd_inter_token_seconds_bucket{model="m",le="+Inf"}`]; n != inf || n != got[`qwqd_generated_tokens_total{model="m"}`] {
			t.Fatalf("count %v, +Inf %v", n, inf)
		}
	}
	<-done
}
