package authn

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// The metadata keys that carry credentials.
const (
	headerAPIKey = "x-api-key"
	headerBearer = "authorization"
)

// credentialBytesMax bounds a credential before anything is computed from it.
const credentialBytesMax = 16 << 10

// How a credential arrived, an index of Authn.consumed.
const (
	byHeader = iota
	byBearer
	byBoth
	byNothing
)

// credential is what a call shows. Its text is a secret.
type credential struct {
	text string
	by   int
	// token tells a JSON Web Token, which is three parts with dots between, from an API key.
	token bool
}

// read finds the credential of a call. What is there but cannot be one, and two that differ, are errors: the gateway
// does not choose between credentials, because whoever comes after it might choose the other.
func read(md metadata.MD) (credential, error) {
	key, hasKey, err := single(md, headerAPIKey)
	if err != nil {
		return credential{}, err
	}
	value, hasBearer, err := single(md, headerBearer)
	if err != nil {
		return credential{}, err
	}
	var bearer string
	if hasBearer {
		if bearer, err = bearerOf(value); err != nil {
			return credential{}, err
		}
	}
	switch {
	case hasKey && hasBearer && key != bearer:
		return credential{}, rpc.Errorf(codes.Unauthenticated, "CONFLICTING_CREDENTIALS",
			"x-api-key and authorization carry different credentials; send one of them")
	case hasKey && hasBearer:
		return credential{text: key, by: byBoth}, wellFormed(key)
	case hasKey:
		return credential{text: key, by: byHeader}, wellFormed(key)
	case hasBearer:
		return credential{text: bearer, by: byBearer, token: strings.Count(bearer, ".") == 2}, wellFormed(bearer)
	}
	return credential{by: byNothing}, nil
}

// single returns the one value of a metadata key.
func single(md metadata.MD, key string) (value string, ok bool, err error) {
	values := md[key]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		if len(values[0]) > credentialBytesMax {
			return "", false, invalid("the value of %s is longer than %d bytes; no credential is", key, credentialBytesMax)
		}
		return values[0], true, nil
	}
	return "", false, invalid("%s was sent %d times; send it once", key, len(values))
}

// bearerOf returns what follows the scheme (RFC 6750, section 2.1; schemes ignore case, RFC 9110, section 11.1).
func bearerOf(value string) (string, error) {
	const scheme = "bearer"
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) || value[len(scheme)] != ' ' {
		return "", invalid("the authorization header has a scheme other than Bearer; send Authorization: Bearer <key or token>")
	}
	return strings.TrimLeft(value[len(scheme):], " "), nil
}

// wellFormed accepts visible ASCII without separators, of which every key and token consists.
func wellFormed(text string) error {
	if text == "" {
		return invalid("the credential is empty; send a key or token, or leave the header out")
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == ',' || c == '"' {
			return invalid("the credential has a character that keys and tokens do not have; send it as it was issued")
		}
	}
	return nil
}
