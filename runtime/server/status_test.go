package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"periph.io/x/conn/v3/physic"

	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

// TestStatus: the status counts what was asked of a model, and loads none.
func TestStatus(t *testing.T) {
	s := serveDemo(t)
	read := func() (st api.Status) {
		t.Helper()
		r, err := http.Get(s.URL + "/qwq/v1/status")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(b, &st)
		}
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%d %v %s", r.StatusCode, err, b)
		}
		return st
	}
	if st := read(); len(st.Models) != 0 || st.Version != "test" || st.Device != nil {
		t.Errorf("before a request: %+v", st)
	}
	post(t, s, "/v1/chat/completions", `{"messages":[{"role":"user","content":"Once"}],"max_tokens":7}`)
	var m api.ModelStatus
	for range 100 { // the scheduler counts a request when it has left
		if st := read(); len(st.Models) == 1 {
			m = st.Models[0]
		}
		if m.Finished == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if m.Name != "demo" || m.Generated != 7 || m.Finished != 1 || m.PromptTokens == 0 || m.KVBytes <= 0 || m.KVBytesTotal < m.KVBytes || m.Running != 0 || m.Parameters < 1e6 {
		t.Errorf("after 7 tokens: %+v", m)
	}
	if status, body := post(t, s, "/qwq/v1/status", "{}"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", status, body)
	}
	if status, body := post(t, s, "/qwq/v1/none", "{}"); status != http.StatusNotFound {
		t.Errorf("an unknown path: %d %s", status, body)
	}
}

// TestStatusDevice: what the machine says comes in the units that are promised, and one
// look serves those who ask at a time.
func TestStatusDevice(t *testing.T) {
	looks := 0
	srv := New(NewHub(HubOptions{List: func() []Listed { return nil }}), Options{Device: func() telemetry.Snapshot {
		looks++
		return telemetry.Snapshot{
			Board:        "a board",
			Temperatures: []telemetry.Temperature{{Name: "cpu-thermal", Value: 48*physic.Kelvin + physic.ZeroCelsius}},
			Frequencies:  []telemetry.Frequency{{CPU: 0, Now: 1500 * physic.MegaHertz, Max: 1800 * physic.MegaHertz}},
			Throttle:     &telemetry.Throttle{SinceBoot: telemetry.Causes{UnderVoltage: true}},
			Memory:       cpu.Memory{Total: 8 << 30, Available: 4 << 30, Limit: 1 << 30, Used: 1 << 29},
		}
	}})
	var st api.Status
	for range 3 {
		w := httptest.NewRecorder()
		srv.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/qwq/v1/status", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &st); err != nil {
			t.Fatal(err)
		}
	}
	d := st.Device
	if d == nil || d.Temperature == nil || *d.Temperature < 47.9 || *d.Temperature > 48.1 || looks != 1 {
		t.Fatalf("%d looks: %+v", looks, d)
	}
	if d.Board != "a board" || d.Clocks[0] != (api.Clock{MHz: 1500, Max: 1800}) || d.Throttling.Now != "none" || d.Throttling.SinceBoot != "under-voltage" {
		t.Errorf("%+v %+v", d, d.Throttling)
	}
	if m := d.Memory; m.Total != 8<<30 || m.Limit != 1<<30 || m.Free != 1<<29 || m.Process == 0 {
		t.Errorf("%+v", m)
	}
}
