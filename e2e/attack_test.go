package e2e

import (
	"crypto/tls"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// lastAttack is the last line of docs/security.md.
const lastAttack = 44

// attacks returns a test for each line of docs/security.md that is about something there is.
func attacks() map[int]func(*testing.T, *siege) {
	return map[int]func(*testing.T, *siege){
		1:  lengthsThatDisagree,
		2:  chunksThatLie,
		3:  malformedHTTP2Headers,
		4:  pathsWithoutASlash,
		5:  upgradesAndTunnels,
		6:  rapidReset,
		7:  frameFloods,
		8:  headersWithoutEnd,
		9:  slowClients,
		10: claimedAddresses,
		11: nominatedHeaders,
		12: underscores,
		13: metadataInDisguise,
		14: methodOverrides,
		15: claimedIdentity,
		16: hostsThatDisagree,
		17: pathsInDisguise,
		18: caseAndHosts,
		19: sameDecisionByEveryProtocol,
		20: nothingIsPublicByItself,
		21: crossOrigin,
		22: upgradesToSockets,
		24: tokenAlgorithms,
		25: tokenHeaders,
		26: keySetSources,
		27: tokenFloodsAndClaims,
		28: keysLookAlike,
		29: credentialsThatEnd,
		32: bombs,
		33: hostileJSON,
		34: hostileProtobuf,
		35: hashFlooding,
		36: costlyRules,
		37: hostileSchemas,
		38: logsAndSecrets,
		39: errorsThatTell,
		40: adminListener,
		43: deadlinesAbused,
		44: connectionsWithoutEnd,
	}
}

// TestAttack has a subtest for each line of docs/security.md, against the real binary and over the wire.
func TestAttack(t *testing.T) {
	s := newSiege(t)
	tests := attacks()
	for _, n := range slices.Sorted(maps.Keys(tests)) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s.backend.Take() // what tests before this one left
			defer s.backend.Answer(nil)
			tests[n](t, s)
		})
	}
	t.Run("EveryLineIsTested", func(t *testing.T) {
		waiting := notApplicable(t)
		for n := 1; n <= lastAttack; n++ {
			if tests[n] != nil == waiting[n] {
				t.Errorf("attack %d is tested: %v, listed as not applicable: %v; want one of the two", n, tests[n] != nil, waiting[n])
			}
		}
	})
}

// notApplicable reads the numbers that docs/security.md says are about something that there is not.
func notApplicable(t *testing.T) map[int]bool {
	t.Helper()
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## Not applicable yet\n")
	if !ok {
		t.Fatal("docs/security.md has no section \"Not applicable yet\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	numbers := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^- \*\*(\d+)\*\* .+`).FindAllStringSubmatch(section, -1) {
		n, _ := strconv.Atoi(m[1]) // digits
		numbers[n] = true
	}
	return numbers
}

// siege is what most attacks are tried on: a gateway that identifies callers, in front of a backend that keeps what it
// gets. Every method is PUBLIC, except those of attack.v1, which say for themselves.
type siege struct {
	files   *compile.Files
	backend *testkit.Backend
	gateway *testkit.Gateway

	overQUIC *testkit.Gateway // answers HTTP/3
	trust    *tls.Config      // of its clients
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{files: testkit.Schema(t, "attack")}
	s.backend = testkit.NewBackend(t, s.files)
	s.gateway = s.serve(t, "default_access: PUBLIC", keysYAML())
	s.overQUIC, s.trust = s.serveQUIC(t, "default_access: PUBLIC")
	return s
}

// serve starts another gateway for the same schema and backend.
func (s *siege) serve(t *testing.T, config ...string) *testkit.Gateway {
	t.Helper()
	args := []string{"--descriptors", testkit.Descriptors(t, s.files), "--backend", s.backend.Target}
	return testkit.Serve(t, append(args, configFile(t, config...)...)...)
}

// called returns the names of the methods that the backend was called for since the last look.
func (s *siege) called() []string {
	var names []string
	for _, c := range s.backend.Take() {
		names = append(names, string(c.Method.Name()))
	}
	return names
}

// untouched checks that the backend heard nothing.
func (s *siege) untouched(t *testing.T, what string) {
	t.Helper()
	if calls := s.backend.Take(); len(calls) != 0 {
		t.Errorf("%s: the backend was called: %s %v", what, calls[0].Method.Name(), calls[0].Requests)
	}
}

// tooLong reports whether something took so long that an input may be to blame, and not a machine that does much else.
func tooLong(took time.Duration) bool { return took > time.Second*slow && !testkit.Race() }

// alive checks that a gateway serves everybody else.
func alive(t *testing.T, g *testkit.Gateway) {
	t.Helper()
	if r := fetch(t, "GET", "http://"+g.Public+"/echo/alive", ""); r.StatusCode != 200 {
		t.Errorf("another caller gets %d %s", r.StatusCode, r.Text)
	}
	if r := fetch(t, "GET", "http://"+g.Admin+"/healthz", ""); r.StatusCode != 200 {
		t.Errorf("health: %d %s", r.StatusCode, r.Text)
	}
}
