// Package deploy holds what surrounds the program: images, compose file, example configuration. It has tests only: no file
// here may name something that does not exist.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"shaketable/config"
)

// compose is as much of the compose specification as our file uses; other keys are an error.
type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image       string                                `yaml:"image"`
	Build       struct{ Context, Dockerfile string }  `yaml:"build"`
	Ports       []string                              `yaml:"ports"`
	Environment map[string]string                     `yaml:"environment"`
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Command     []string                              `yaml:"command"`
	Volumes     []string                              `yaml:"volumes"`
	Healthcheck *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	} `yaml:"healthcheck"`
	ReadOnly        bool     `yaml:"read_only"`
	Tmpfs           []string `yaml:"tmpfs"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	Restart         string   `yaml:"restart"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	f, err := os.Open("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	var c compose
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestComposeHoldsTogether(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build.Dockerfile == "") {
			t.Errorf("%s: needs either an image or a build", name)
		}
		if s.Image != "" && !regexp.MustCompile(`:\d+(\.\d+)+$`).MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned to a version", name, s.Image)
		}
		if s.Build.Dockerfile != "" {
			exists(t, filepath.Join("..", s.Build.Context, s.Build.Dockerfile))
		}
		for on, d := range s.DependsOn {
			other, ok := c.Services[on]
			if !ok {
				t.Errorf("%s: depends on %s, which is not there", name, on)
			}
			if d.Condition == "service_healthy" && other.Healthcheck == nil {
				t.Errorf("%s: waits for the health of %s, which has no check", name, on)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(source, ".") {
				exists(t, filepath.Join("..", source))
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s: volume %s is not declared", name, source)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to other machines", name, p)
			}
		}
	}
	redis := strings.Join(c.Services["redis"].Command, " ")
	if !strings.Contains(redis, "--maxmemory-policy noeviction") || !strings.Contains(redis, "--appendonly yes") {
		t.Errorf("redis may lose counters: %s", redis)
	}
}

func exists(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestComposeConfiguration loads the worker's configuration at the places where the containers see it.
func TestComposeConfiguration(t *testing.T) {
	c := readCompose(t)
	root := t.TempDir()
	for _, v := range c.Services["worker"].Volumes {
		source, rest, _ := strings.Cut(v, ":")
		target, _, _ := strings.Cut(rest, ":")
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(target)), 0o700); err != nil {
			t.Fatal(err)
		}
		absolute, err := filepath.Abs(filepath.Join("..", source))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(root, target), os.DirFS(absolute)); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := config.Load(filepath.Join(root, "etc/shaketable/shaketable.yaml"), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range conf.Detectors {
		exists(t, d.Model.Path)
	}
	key := c.Services["worker"].Environment[conf.Sample.KeyEnv]
	if !strings.HasPrefix(key, "${"+conf.Sample.KeyEnv+":?") {
		t.Errorf("the key of the sample is %q: it must come from outside, and be asked for where it is missing", key)
	}
	if !slices.Contains(strings.Split(strings.Join(c.Services["topics"].Command, " "), " "), conf.Kafka.Topics.Detections) {
		t.Errorf("nothing creates the topic %s", conf.Kafka.Topics.Detections)
	}
	for address, suffix := range map[string]string{conf.Kafka.Brokers[0]: "kafka:29092", conf.Redis.Addresses[0]: "redis:6379"} {
		if host, _, _ := strings.Cut(address, ":"); address != suffix || c.Services[host].Image == "" {
			t.Errorf("%s is no service", address)
		}
	}
}

func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]bool{}
	user := ""
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "FROM":
			if !regexp.MustCompile(`:[0-9a-z.-]+$`).MatchString(words[1]) || strings.HasSuffix(words[1], ":latest") {
				t.Errorf("image %s is not pinned", words[1])
			}
			if len(words) == 4 {
				stages[words[3]] = true
			}
			user = ""
		case "COPY":
			if from, ok := strings.CutPrefix(words[1], "--from="); ok {
				if !stages[from] {
					t.Errorf("stage %s does not exist", from)
				}
				continue
			}
			for _, source := range words[1 : len(words)-1] {
				exists(t, filepath.Join("..", source))
			}
		case "USER":
			user = words[1]
		}
	}
	if user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("the image runs as %q", user)
	}
}
