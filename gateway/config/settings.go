package config

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
)

// setting is one thing that a flag and an environment variable can set. Its value wins over the file's as a whole: a
// list replaces the file's list.
type setting struct {
	flag   string // without the dashes
	kind   kind
	path   string // what it sets in the configuration
	preset string // the default, for the help text
	usage  string // the word in backquotes stands for the value
	set    func(cfg *configv1.Config, values []string) error
}

// kind is the type of a setting's value, by pflag's name.
type kind string

const (
	isText kind = "string"
	isList kind = "strings" // several values, separated by commas; a flag may also be repeated
	isBool kind = "bool"
)

// settings is the one table of what can be set outside of the file. (--config, which names the file, is not in it.)
func settings() []setting {
	d := Defaults()
	return []setting{
		{"listen", isText, "listen", d.GetListen(), "`HOST:PORT` of the public listener: every protocol",
			one(func(c *configv1.Config, v string) { c.Listen = v })},
		{"listen-grpc", isText, "listen_grpc", d.GetListenGrpc(), "`HOST:PORT` of the internal listener: native gRPC",
			one(func(c *configv1.Config, v string) { c.ListenGrpc = v })},
		{"listen-admin", isText, "listen_admin", d.GetListenAdmin(), "`HOST:PORT` of the admin listener: registry, health, readiness, metrics; any but a loopback address needs admin.key_sha256 or tls_admin.client_ca_file in the configuration file",
			one(func(c *configv1.Config, v string) { c.ListenAdmin = v })},
		{"data", isText, "data", "", "`FOLDER` of the embedded registry store (default none: nothing can be published)",
			one(func(c *configv1.Config, v string) { c.Data = v })},
		{"backend", isList, "backends", "", "where calls go, as `[SERVICES=]TARGET`: SERVICES is a service name or a prefix with *, TARGET is host:port, grpc://host:port, grpcs://host:port or unix:/path; TARGET alone takes every service; may be repeated, the first that fits wins (default none: what publishers name)",
			setBackends},
		{"allowed-backends", isList, "allowed_backends", list(d.GetAllowedBackends()), "targets that publishers may name, as `PATTERNS` host:port with * for any run of characters; may be repeated",
			setAllowedBackends},
		{"default-access", isText, "default_access", d.GetDefaultAccess().String(), "`LEVEL` of methods for which nobody names one: PUBLIC, AUTHENTICATED, INTERNAL or DENIED",
			setDefaultAccess},
		{"dev", isBool, "dev", "false", "make every method public, on loopback listeners only, for trying things out (default false)",
			truth(func(c *configv1.Config, v bool) { c.Dev = v })},
		{"descriptors", isText, "source.descriptors", "", "serve the schema in `FILE`, a FileDescriptorSet or a buf image (default none)",
			one(setDescriptors)},
		{"proto", isText, "source.proto", "", "serve the schema in `FOLDER`, of .proto files (default none)",
			one(setProto)},
		{"reflect", isBool, "source.reflect", "false", "ask the backends for their schema by gRPC server reflection (default false)",
			truth(setReflect)},
	}
}

// env returns the variable of a setting.
func (s setting) env() string {
	return "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(s.flag, "-", "_"))
}

// overlay lets the settings of one layer win over the layers below. given returns a setting's values in this layer,
// nil when it says nothing about it, and its name there. A layer may name one schema; that replaces the one of the
// layers below.
func (l *loader) overlay(given func(setting) (values []string, name string)) {
	var schema string
	for _, s := range settings() {
		values, name := given(s)
		if values == nil {
			continue
		}
		from, before := place{source: name}, l.cfg.GetSource()
		if err := s.set(l.cfg, values); err != nil {
			l.report(from, s.path, "%v", err)
			continue
		}
		group, _, nested := strings.Cut(s.path, ".")
		if nested && l.cfg.GetSource() == before {
			continue // --reflect=false, and there was no reflection to switch off
		}
		if nested && l.cfg.GetSource() != nil {
			if schema != "" {
				l.report(from, s.path, "%s and %s exclude each other; a gateway has one schema", schema, name)
			}
			schema = name
		}
		l.forget(group)
		l.places[group] = from
	}
}

// forget takes out the places of a setting and of what lies below it.
func (l *loader) forget(group string) {
	maps.DeleteFunc(l.places, func(path string, _ place) bool {
		rest, ok := strings.CutPrefix(path, group)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// one takes the last value, as flags do that are given twice.
func one(set func(*configv1.Config, string)) func(*configv1.Config, []string) error {
	return func(c *configv1.Config, values []string) error {
		set(c, values[len(values)-1])
		return nil
	}
}

func truth(set func(*configv1.Config, bool)) func(*configv1.Config, []string) error {
	return func(c *configv1.Config, values []string) error {
		last := values[len(values)-1]
		value, err := strconv.ParseBool(last)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", last)
		}
		set(c, value)
		return nil
	}
}

func setBackends(c *configv1.Config, values []string) error {
	c.Backends = nil
	for _, value := range values {
		services, target, split := strings.Cut(value, "=")
		// A path may contain "=": what cannot be a service pattern is the beginning of a target.
		if !split || strings.ContainsAny(services, ":/") {
			services, target = "", value
		} else if services == "" {
			return fmt.Errorf("%q has nothing before =; write SERVICES=TARGET, or TARGET alone for every service", value)
		}
		if target == "" {
			return fmt.Errorf("%q names no target; write TARGET or SERVICES=TARGET, for example acme.orders.v1.*=127.0.0.1:50051", value)
		}
		c.Backends = append(c.Backends, &configv1.Backend{Services: services, Target: target})
	}
	return nil
}

func setAllowedBackends(c *configv1.Config, values []string) error {
	c.AllowedBackends = values
	return nil
}

func setDefaultAccess(c *configv1.Config, values []string) error {
	value := values[len(values)-1]
	number, ok := policyv1.Access_value[strings.ToUpper(value)]
	if !ok || number == 0 {
		names := enumNames(policyv1.Access(0).Descriptor())
		return errors.New(unknown("value", value, names))
	}
	c.DefaultAccess = policyv1.Access(number)
	return nil
}

func setDescriptors(c *configv1.Config, file string) {
	c.Source = nil
	if file != "" {
		c.Source = &configv1.Source{From: &configv1.Source_Descriptors{Descriptors: file}}
	}
}

func setProto(c *configv1.Config, folder string) {
	c.Source = nil
	if folder != "" {
		c.Source = &configv1.Source{From: &configv1.Source_Proto{Proto: folder}}
	}
}

func setReflect(c *configv1.Config, on bool) {
	if on {
		c.Source = &configv1.Source{From: &configv1.Source_Reflect{Reflect: true}}
	} else if _, reflects := c.GetSource().GetFrom().(*configv1.Source_Reflect); reflects {
		c.Source = nil
	}
}
