package compat

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	names "github.com/prometheus/common/model"
)

// TestMetrics: Prometheus's own parser reads GET /metrics, and finds an answer counted.
func TestMetrics(t *testing.T) {
	c := &http.Client{Transport: transport()}
	note(t, "prometheus", "metrics", func() error {
		a, err := c.Post("http://qwqd/v1/completions", "application/json", strings.NewReader(`{"prompt":"Once","max_tokens":4}`))
		if err != nil {
			return err
		}
		a.Body.Close()
		r, err := c.Get("http://qwqd/metrics")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if f := expfmt.ResponseFormat(r.Header).FormatType(); f != expfmt.TypeTextPlain {
			return fmt.Errorf("format %v of %q", f, r.Header.Get("Content-Type"))
		}
		p := expfmt.NewTextParser(names.LegacyValidation)
		families, err := p.TextToMetricFamilies(r.Body)
		if err != nil {
			return err
		}
		first := families["qwqd_time_to_first_token_seconds"]
		if len(first.GetMetric()) == 0 || first.GetMetric()[0].GetHistogram().GetSampleCount() == 0 {
			return fmt.Errorf("no first token is counted: %v", first)
		}
		return nil
	}())
}
