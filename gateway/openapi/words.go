package openapi

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// comment returns what the .proto says of a declaration: the comment before it, else the one behind it.
func comment(d protoreflect.Descriptor) string {
	at := d.ParentFile().SourceLocations().ByDescriptor(d)
	for _, text := range []string{at.LeadingComments, at.TrailingComments} {
		if text = tidy(text); text != "" {
			return text
		}
	}
	return ""
}

// tidy takes the blank off that follows the slashes, and lines that are for linters.
func tidy(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimRight(line, " \t\r\n"), " ")
		if strings.HasPrefix(line, "buf:lint:") || strings.HasPrefix(line, "(-- ") && strings.HasSuffix(line, " --)") {
			continue
		}
		lines = append(lines, line)
	}
	return strings.ToValidUTF8(strings.TrimSpace(strings.Join(lines, "\n")), "\uFFFD")
}

// firstSentence returns what a list of operations shows.
func firstSentence(text string) string {
	text, _, _ = strings.Cut(text, "\n\n")
	text = strings.Join(strings.Fields(text), " ")
	if end := strings.Index(text, ". "); end >= 0 {
		text = text[:end]
	}
	return strings.TrimSuffix(text, ".")
}

// paragraphs joins what there is to say.
func paragraphs(texts ...string) string {
	var said []string
	for _, text := range texts {
		if text != "" {
			said = append(said, text)
		}
	}
	return strings.Join(said, "\n\n")
}

// quotaText tells callers their budget.
func quotaText(p *rpc.Policy) string {
	if p.Quota == nil {
		return ""
	}
	q := p.Quota
	whose := [...]string{
		rpc.PerPrincipal: "each caller", rpc.PerAddress: "each client address", rpc.PerEverybody: "all callers together",
	}[q.Per]
	text := fmt.Sprintf("Quota: %d every %s for %s", q.Limit, q.Period, whose)
	if q.Period == time.Minute {
		text = fmt.Sprintf("Quota: %d a minute for %s", q.Limit, whose)
	}
	if q.Burst != q.Limit {
		text += fmt.Sprintf(", at most %d at once", q.Burst)
	}
	if p.Cost > 1 {
		text += fmt.Sprintf("; one call takes %d", p.Cost)
	}
	return text + "."
}

// accessText tells callers what they need.
func accessText(p *rpc.Policy) string {
	switch {
	case p.Access == rpc.Denied:
		return "Nobody may call this method: it answers 403."
	case len(p.Scopes) > 0:
		return "Needs the scopes " + strings.Join(p.Scopes, ", ") + "."
	}
	return ""
}

// deprecated reports what the .proto's option says, which all kinds of declarations have.
func deprecated(d protoreflect.Descriptor) bool {
	switch o := d.Options().(type) {
	case *descriptorpb.MethodOptions:
		service, _ := d.Parent().Options().(*descriptorpb.ServiceOptions)
		return o.GetDeprecated() || service.GetDeprecated()
	case *descriptorpb.FieldOptions:
		return o.GetDeprecated()
	case *descriptorpb.MessageOptions:
		return o.GetDeprecated()
	case *descriptorpb.EnumOptions:
		return o.GetDeprecated()
	case *descriptorpb.EnumValueOptions:
		return o.GetDeprecated()
	}
	return false
}

// extension reads an option by its generated type; the zero value where it is not set.
func extension[T any](d protoreflect.Descriptor, x protoreflect.ExtensionType) T {
	value, _ := proto.GetExtension(d.Options(), x).(T)
	return value
}
