package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The parts of Kubernetes' types that the files in deploy use, each field with its
// type; a field that is not here is an error.
type (
	meta struct {
		Name string `yaml:"name"`
	}
	resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	}
	mount struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
	}
	container struct {
		Name         string    `yaml:"name"`
		Image        string    `yaml:"image"`
		Command      []string  `yaml:"command"`
		Resources    resources `yaml:"resources"`
		VolumeMounts []mount   `yaml:"volumeMounts"`
	}
	volume struct {
		Name  string `yaml:"name"`
		Claim struct {
			ClaimName string `yaml:"claimName"`
		} `yaml:"persistentVolumeClaim"`
	}
	pod struct {
		RestartPolicy string      `yaml:"restartPolicy"`
		Containers    []container `yaml:"containers"`
		Volumes       []volume    `yaml:"volumes"`
	}
	podTemplate struct {
		Spec pod `yaml:"spec"`
	}
	indexedJob struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Metadata   meta   `yaml:"metadata"`
		Spec       struct {
			CompletionMode string      `yaml:"completionMode"`
			Completions    int32       `yaml:"completions"`
			Parallelism    int32       `yaml:"parallelism"`
			BackoffLimit   int32       `yaml:"backoffLimit"`
			Template       podTemplate `yaml:"template"`
		} `yaml:"spec"`
	}
	replica struct {
		Replicas      int32       `yaml:"replicas"`
		RestartPolicy string      `yaml:"restartPolicy"`
		Template      podTemplate `yaml:"template"`
	}
	mpiJob struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Metadata   meta   `yaml:"metadata"`
		Spec       struct {
			SlotsPerWorker    int32  `yaml:"slotsPerWorker"`
			MPIImplementation string `yaml:"mpiImplementation"`
			RunPolicy         struct {
				CleanPodPolicy string `yaml:"cleanPodPolicy"`
				BackoffLimit   int32  `yaml:"backoffLimit"`
			} `yaml:"runPolicy"`
			Replicas struct {
				Launcher replica `yaml:"Launcher"`
				Worker   replica `yaml:"Worker"`
			} `yaml:"mpiReplicaSpecs"`
		} `yaml:"spec"`
	}
)

func manifest(t *testing.T, name string, to any) {
	t.Helper()
	b, err := os.ReadFile("../../deploy/kubernetes/" + name)
	if err == nil {
		err = yaml.UnmarshalWithOptions(b, to, yaml.Strict())
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// checkPod: what is mounted is there, and what is limited is asked for.
func checkPod(t *testing.T, p pod) container {
	t.Helper()
	if len(p.Containers) != 1 {
		t.Fatalf("%d containers", len(p.Containers))
	}
	c := p.Containers[0]
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(p.Volumes, func(v volume) bool { return v.Name == m.Name && v.Claim.ClaimName != "" }) || !strings.HasPrefix(m.MountPath, "/") {
			t.Errorf("mount %+v has no volume", m)
		}
	}
	if c.Resources.Limits["memory"] != c.Resources.Requests["memory"] {
		t.Errorf("resources %+v", c.Resources)
	}
	return c
}

// accepted: the program takes the command up to the recipe, which is not there.
func accepted(t *testing.T, command []string) {
	t.Helper()
	a := app()
	a.Writer, a.ErrWriter = t.Output(), t.Output()
	var flags, args []string
	for i := 2; i < len(command); i++ {
		if strings.HasPrefix(command[i], "--") {
			flags = append(flags, command[i:i+2]...)
			i++
		} else {
			args = append(args, command[i])
		}
	}
	err := a.Run(slices.Concat(command[:2], flags, args))
	if command[0] != "qwq-convert" || err == nil || !strings.Contains(err.Error(), "/work/recipe.yaml") {
		t.Errorf("%q: %v", command, err)
	}
}

func TestDeploy(t *testing.T) {
	var j indexedJob
	manifest(t, "cache-job.yaml", &j)
	s := j.Spec
	c := checkPod(t, s.Template.Spec)
	if j.APIVersion != "batch/v1" || j.Kind != "Job" || s.CompletionMode != "Indexed" || s.Template.Spec.RestartPolicy != "Never" || s.Parallelism > s.Completions {
		t.Errorf("%+v", j)
	}
	if want := "/" + strconv.Itoa(int(s.Completions)); c.Command[len(c.Command)-1] != want {
		t.Errorf("%d completions, command %q", s.Completions, c.Command)
	}
	t.Setenv("JOB_COMPLETION_INDEX", "7")
	accepted(t, c.Command)
	t.Setenv("JOB_COMPLETION_INDEX", "")

	var m mpiJob
	manifest(t, "train-mpijob.yaml", &m)
	l, w := m.Spec.Replicas.Launcher, m.Spec.Replicas.Worker
	launcher, worker := checkPod(t, l.Template.Spec), checkPod(t, w.Template.Spec)
	if m.APIVersion != "kubeflow.org/v2beta1" || m.Kind != "MPIJob" || m.Spec.MPIImplementation != "OpenMPI" || l.Replicas != 1 || launcher.Image != worker.Image {
		t.Errorf("%+v", m)
	}
	at := slices.Index(launcher.Command, "-n")
	n, err := strconv.Atoi(launcher.Command[at+1])
	if err != nil || int32(n) != w.Replicas*m.Spec.SlotsPerWorker || n&(n-1) != 0 {
		t.Errorf("%d processes of %d workers of %d slots", n, w.Replicas, m.Spec.SlotsPerWorker)
	}
	accepted(t, launcher.Command[at+2:])
}
