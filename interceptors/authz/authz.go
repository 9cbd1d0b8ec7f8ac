// Package authz decides whether an identified caller may do what it asks. Access judges the call by the method's
// access level and scopes, before any body is read; Fields judges the request's fields. Read access.go first.
package authz
