package config

import (
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

const (
	configFlag = "config"
	configEnv  = "GATEHOUSE_CONFIG"
	adminKey   = "GATEHOUSE_ADMIN_KEY" // read by the verbs that talk to a gateway
)

// Flags are the flags of one command line. Not safe for concurrent use.
type Flags struct {
	file   *flagValue
	values map[string]*flagValue // by flag
}

// BindFlags registers --config and a flag for every setting that has one.
func BindFlags(set *pflag.FlagSet) *Flags {
	f := &Flags{file: &flagValue{kind: isText}, values: map[string]*flagValue{}}
	set.Var(f.file, configFlag, "read the configuration from `FILE`, in YAML; flags and GATEHOUSE_ variables win over it (default none)")
	for _, s := range settings() {
		v := &flagValue{kind: s.kind}
		f.values[s.flag] = v
		flag := set.VarPF(v, s.flag, "", s.usage)
		flag.DefValue = s.preset
		if s.kind == isBool {
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// Load puts a configuration together: a flag wins over its variable, that over the file, and that over the default.
// environ has the form of os.Environ; an empty variable counts as none. Call it once the command line is parsed. An
// error is an *Error; an unknown variable that begins with GATEHOUSE_ is one.
func (f *Flags) Load(environ []string) (*configv1.Config, error) {
	l := newLoader()
	env := l.environment(environ)
	if file := f.file.last(env[configEnv]); file != "" {
		l.file(file)
	}
	l.overlay(func(s setting) ([]string, string) {
		return split(s.kind, env[s.env()]), s.env()
	})
	l.overlay(func(s setting) ([]string, string) {
		return f.values[s.flag].given, "--" + s.flag
	})
	return l.finish()
}

// platformVariable is what Kubernetes and Docker put into every container beside a service whose name begins with
// gatehouse: GATEHOUSE_SERVICE_HOST, GATEHOUSE_PORT_8080_TCP_ADDR and so on.
var platformVariable = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// environment returns our variables, and reports those that nobody knows: a misspelled one would be ignored in silence.
func (l *loader) environment(environ []string) map[string]string {
	names := []string{configEnv}
	for _, s := range settings() {
		names = append(names, s.env())
	}
	names = append(names, adminKey)
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, "GATEHOUSE_"), platformVariable.MatchString(name):
		case known[name]:
			env[name] = value
		default:
			l.report(place{source: name}, "", "%s", unknown("variable", name, names))
		}
	}
	return env
}

// split returns the values in a flag or a variable, nil for the empty text.
func split(k kind, value string) []string {
	if value == "" {
		return nil
	}
	if k != isList {
		return []string{value}
	}
	var values []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			values = append(values, part)
		}
	}
	return values
}

// flagValue is a pflag.Value that remembers whether it was given. What it holds is judged by Load, so that everything
// that is wrong comes out at once.
type flagValue struct {
	kind  kind
	given []string // nil when the flag was not given
}

func (v *flagValue) String() string { return strings.Join(v.given, ",") }
func (v *flagValue) Type() string   { return string(v.kind) }

// Set is called once each time the flag is given. A flag that is given empty takes the value of the layers below away.
func (v *flagValue) Set(value string) error {
	if values := split(v.kind, value); values != nil {
		v.given = append(v.given, values...)
	} else if v.kind != isList {
		v.given = append(v.given, "")
	} else if v.given == nil {
		v.given = []string{}
	}
	return nil
}

// last returns the value that counts, or other when the flag was not given.
func (v *flagValue) last(other string) string {
	if v.given == nil {
		return other
	}
	return v.given[len(v.given)-1]
}
