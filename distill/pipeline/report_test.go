package pipeline

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// checkReport reads report.html as XML, which it is but for the doctype and the
// empty elements of its head, and checks its parts: curves is how many plots have a line, bars how
// many have bars.
func checkReport(t testing.TB, p *Pipeline, curves, bars int) {
	t.Helper()
	html, err := os.ReadFile(p.path("report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"student-q8_0", "soft: 0.9", "prefers-color-scheme: dark", "nats a token</text>", "Samples", "captured mass", "planned memory"} {
		if !strings.Contains(string(html), s) {
			t.Errorf("report.html has no %q", s)
		}
	}
	for _, s := range []string{"<script", "http://", "https://", "url(", "ZgotmplZ", "style="} {
		if strings.Contains(string(html), s) {
			t.Errorf("report.html has %q", s)
		}
	}
	d := xml.NewDecoder(bytes.NewReader(html))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	counts, ids, spoken := map[string]int{}, map[string]bool{}, []string{}
	in := map[string]int{} // of the open svg
	for {
		x, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch x := x.(type) {
		case xml.StartElement:
			name := x.Name.Local
			counts[name]++
			in[name]++
			for _, a := range x.Attr {
				switch a.Name.Local {
				case "id":
					if ids[a.Value] {
						t.Errorf("id %s twice", a.Value)
					}
					ids[a.Value] = true
				case "aria-labelledby":
					spoken = append(spoken, strings.Fields(a.Value)...)
				}
			}
			if name == "svg" {
				in = map[string]int{}
			}
		case xml.EndElement:
			if x.Name.Local != "svg" {
				break
			}
			if in["title"] != 1 || in["desc"] != 1 || in["polyline"]+in["rect"] == 0 {
				t.Errorf("a picture of %v", in)
			}
			if in["polyline"] > 0 {
				counts["curves"]++
			}
		}
	}
	for _, id := range spoken {
		if !ids[id] {
			t.Errorf("no element %s to speak", id)
		}
	}
	if len(spoken) != 2*counts["svg"] || counts["curves"] != curves || counts["svg"] != curves+bars || counts["main"] != 1 || counts["h1"] != 1 {
		t.Errorf("counts %v, %d spoken", counts, len(spoken))
	}
}

// TestByPrompt: the models of one prompt stand together, in their order.
func TestByPrompt(t *testing.T) {
	got := byPrompt([]Sample{{Model: "a", Prompt: "x"}, {Model: "a", Prompt: "y"}, {Model: "b", Prompt: "x"}, {Model: "b", Prompt: "y"}})
	if len(got) != 2 || got[0].Prompt != "x" || len(got[0].Samples) != 2 || got[1].Samples[1].Model != "b" {
		t.Errorf("got %+v", got)
	}
}
