package program

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// describe names the type of fd for people, with its article.
func describe(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "a map"
	case fd.IsList():
		return "a repeated field"
	case fd.Message() != nil:
		return withArticle(string(fd.Message().FullName()))
	case fd.Enum() != nil:
		return withArticle(string(fd.Enum().FullName()))
	}
	return withArticle(fd.Kind().String())
}

// expected says what text one value of fd takes.
func expected(fd protoreflect.FieldDescriptor) string {
	if fd.Enum() != nil {
		return "one of " + enumNames(fd.Enum())
	}
	if md := fd.Message(); md != nil {
		switch md.Name() {
		case "Timestamp":
			return "a time such as 2006-01-02T15:04:05Z"
		case "Duration":
			return "seconds such as 1.5s"
		case "FieldMask":
			return "field names in lowerCamelCase separated by commas"
		}
		return expected(wrapped(md))
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.BytesKind:
		return "bytes in base64"
	case protoreflect.StringKind:
		return "text in UTF-8"
	}
	return withArticle(fd.Kind().String())
}

// notText says why a query parameter cannot be a value of fd, and what to do instead.
func notText(fd protoreflect.FieldDescriptor) string {
	text := "the field is " + describe(fd)
	if fd.IsList() {
		text += " of messages"
	}
	if fd.Cardinality() != protoreflect.Repeated && formOf(fd.Message()) == formObject {
		return text + "; set its fields one by one, as in " + fd.JSONName() + ".field=value"
	}
	return text + ", which no query parameter can hold; it needs a binding with a body"
}

// enumNamesMax bounds an error text; an enum may have thousands of names.
const enumNamesMax = 10

func enumNames(ed protoreflect.EnumDescriptor) string {
	var names []string
	for i := range min(ed.Values().Len(), enumNamesMax) {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	if more := ed.Values().Len() - len(names); more > 0 {
		names = append(names, fmt.Sprintf("… (%d more)", more))
	}
	return strings.Join(names, ", ")
}

func withArticle(noun string) string {
	if strings.HasPrefix(noun, "u") { // "a uint32"
		return "a " + noun
	}
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// quote shows what a client sent: as a Go string, so control characters are visible, and cut to a bound.
func quote(text string) string {
	return fmt.Sprintf("%q", clip(text, 64))
}

// clip cuts text to at most limit bytes, at a rune, and replaces what is no UTF-8.
func clip(text string, limit int) string {
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
