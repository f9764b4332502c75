package bridge

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// envPrefix begins the name of every variable that is a setting.
const envPrefix = "CHATBRIDGE_"

// EnvName returns the variable that sets a key: CHATBRIDGE_ and the key in
// capitals, with _ for what separates its parts. So http.tls.cert_file is
// CHATBRIDGE_HTTP_TLS_CERT_FILE, and apps[0].tokens is CHATBRIDGE_APPS_0_TOKENS.
//
// Lists are comma-separated. CHATBRIDGE_APPS holds a whole list of apps as YAML
// or JSON and replaces that of the file; the numbered ones, from 0, change one
// entry, or add the next.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(key))
}

// appsVariable holds all apps at once.
const appsVariable = envPrefix + "APPS"

// appVariable matches a setting of one app.
var appVariable = regexp.MustCompile(`^` + appsVariable + `_(\d{1,4})_`)

// linkVariable matches the names that Kubernetes gives every container in the
// namespace of a Service called chatbridge or chatbridge-something. They are no
// settings and nobody's mistake. (None of our keys ends like them.)
var linkVariable = regexp.MustCompile(`^CHATBRIDGE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// linkPort matches the one such name that could also be a mistyped setting, told
// apart by its value.
var (
	linkPort      = regexp.MustCompile(`^CHATBRIDGE_([A-Z0-9_]+_)?PORT$`)
	linkPortValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// readEnvironment reads the variables over what is set so far. A variable that
// begins with CHATBRIDGE_ and is no setting is a fault: a mistyped name must not
// pass for a default. CHATBRIDGE_TEST_… is left to tests.
func (s *Settings) readEnvironment(environ []string) {
	given := settingVariables(environ)
	if text, ok := given[appsVariable]; ok {
		s.readApps(text)
		delete(given, appsVariable)
	}
	s.growApps(given)
	var known []string
	for _, l := range s.Config.leaves() {
		name := EnvName(l.key)
		known = append(known, name)
		if text, ok := given[name]; ok {
			s.set(l, text, Origin{Layer: LayerEnvironment, Name: name})
			delete(given, name)
		}
	}
	var unknown []string
	for name := range given {
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		s.fault(Origin{Layer: LayerEnvironment, Name: name}, "", s.unknownVariable(name, slices.Clone(known)))
	}
}

// settingVariables picks the variables that are meant as settings.
func settingVariables(environ []string) map[string]string {
	given := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, envPrefix),
			strings.HasPrefix(name, envPrefix+"TEST_"),
			linkVariable.MatchString(name),
			linkPort.MatchString(name) && linkPortValue.MatchString(value):
		default:
			given[name] = value
		}
	}
	return given
}

// readApps reads the list of all apps from its variable.
func (s *Settings) readApps(text string) {
	o := Origin{Layer: LayerEnvironment, Name: appsVariable}
	r := yamlReader{settings: s, origin: o}
	before := len(s.faults)
	root := r.parse([]byte(text))
	if root == nil {
		if len(s.faults) == before {
			s.fault(o, "", "is empty; give a list such as [{sdk_app_id: 1400000000, tokens: [\"…\"]}], or unset it")
		}
		for i := range s.faults[before:] {
			s.faults[before+i].Key = "apps"
		}
		return
	}
	s.origins["apps"] = o
	r.sections(root, leaf{key: "apps", value: reflect.ValueOf(&s.Config.Apps).Elem()})
}

// growApps adds the apps that numbered variables name beyond those there are.
func (s *Settings) growApps(given map[string]string) {
	var numbers []int
	for name := range given {
		if m := appVariable.FindStringSubmatch(name); m != nil {
			n, _ := strconv.Atoi(m[1])
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if n == len(s.Config.Apps) {
			s.Config.Apps = append(s.Config.Apps, AppConfig{})
			o := Origin{Layer: LayerEnvironment, Name: fmt.Sprintf("%s_%d_SDK_APP_ID", appsVariable, n)}
			s.origins[indexed("apps", n)] = o
		}
	}
}

// unknownVariable is the message about a variable that sets nothing.
func (s *Settings) unknownVariable(name string, known []string) string {
	if m := appVariable.FindStringSubmatch(name); m != nil {
		if n, _ := strconv.Atoi(m[1]); n > len(s.Config.Apps) {
			return fmt.Sprintf("the apps before it are missing; the next number is %d", len(s.Config.Apps))
		}
	}
	message := "is not a known setting"
	for i := range known { // what all have in common says nothing about likeness
		known[i] = strings.TrimPrefix(known[i], envPrefix)
	}
	if near := nearest(strings.TrimPrefix(name, envPrefix), append(known, "APPS")); near != "" {
		message += "; did you mean " + envPrefix + near + "?"
	}
	return message
}
