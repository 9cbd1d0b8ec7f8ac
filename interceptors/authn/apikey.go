package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// apiKeyIssuer is who vouches for principals that come by API key.
const apiKeyIssuer = "api-key"

// secretBytesMax bounds the secret part of a key.
const secretBytesMax = 256

// apiKeys are the static keys by their public ids. It is immutable.
type apiKeys struct {
	byID map[string]*apiKey
	// decoy stands in for keys that do not exist, so that unknown ids take the same steps as wrong secrets.
	decoy *apiKey
}

type apiKey struct {
	sum       [sha256.Size]byte
	principal *rpc.Principal
	// refusal tells the operator which key was tried. It is made beforehand, so it costs no time by which known and
	// unknown ids could be told apart. An unknown id is not repeated: it may be a secret in the wrong place.
	refusal error
}

func newAPIKeys(list []*configv1.ApiKey) (*apiKeys, error) {
	k := &apiKeys{byID: make(map[string]*apiKey, len(list)), decoy: &apiKey{refusal: errors.New("api key with an unknown id")}}
	if _, err := rand.Read(k.decoy.sum[:]); err != nil {
		return nil, fmt.Errorf("api keys: %w", err)
	}
	for _, cfg := range list {
		if k.byID[cfg.GetId()] != nil {
			return nil, fmt.Errorf("api key %q is configured twice", cfg.GetId())
		}
		key := &apiKey{
			principal: &rpc.Principal{Name: cfg.GetPrincipal(), Issuer: apiKeyIssuer, Scopes: cfg.GetScopes()},
			refusal:   fmt.Errorf("api key %q: wrong secret", cfg.GetId()),
		}
		sum, err := hex.DecodeString(cfg.GetSecretSha256())
		if err != nil || len(sum) != len(key.sum) {
			return nil, fmt.Errorf("api key %q: secret_sha256 must be 64 hex digits", cfg.GetId())
		}
		copy(key.sum[:], sum)
		k.byID[cfg.GetId()] = key
	}
	return k, nil
}

// verify returns the principal of "<id>.<secret>". The steps are the same for known and unknown ids: one look-up, one
// hash, one comparison in constant time. So is the answer.
func (k *apiKeys) verify(text string) (*rpc.Principal, error) {
	id, secret, _ := strings.Cut(text, ".")
	key, known := k.find(id)
	var buffer [secretBytesMax]byte // on the stack: a conversion would allocate
	n := copy(buffer[:], secret)
	sum := sha256.Sum256(buffer[:n])
	same := subtle.ConstantTimeCompare(sum[:], key.sum[:])
	if same&known != 1 || secret == "" || len(secret) > secretBytesMax {
		return nil, invalid("the API key is not known or its secret is wrong; send it as <id>.<secret>, as it was issued").
			Because(key.refusal)
	}
	return key.principal, nil
}

// find returns the key and 1, or the decoy and 0.
func (k *apiKeys) find(id string) (*apiKey, int) {
	if key, ok := k.byID[id]; ok {
		return key, 1
	}
	return k.decoy, 0
}
