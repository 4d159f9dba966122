// Executes a Modelfile's TEMPLATE with Go's text/template on data of the shape that Ollama hands to it.
// Usage: go run render.go TEMPLATE < conversations.jsonl > prompts.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type arguments map[string]any

func (a arguments) String() string {
	text, _ := json.Marshal(map[string]any(a))
	return string(text)
}

type call struct {
	ID       string
	Function struct {
		Name      string
		Arguments arguments
	}
}

type message struct {
	Role      string
	Content   string
	Thinking  string
	ToolCalls []call `json:"tool_calls"`
}

type property struct {
	AnyOf       []property          `json:"anyOf,omitempty"`
	Type        any                 `json:"type,omitempty"`
	Items       any                 `json:"items,omitempty"`
	Description string              `json:"description,omitempty"`
	Enum        []any               `json:"enum,omitempty"`
	Properties  map[string]property `json:"properties,omitempty"`
	Required    []string            `json:"required,omitempty"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Parameters  struct {
			Type       string              `json:"type"`
			Required   []string            `json:"required,omitempty"`
			Properties map[string]property `json:"properties"`
		} `json:"parameters"`
	} `json:"function"`
}

type conversation struct {
	System   string
	Messages []message
	Tools    []tool
}

type outcome struct {
	Prompt string
	Tools  []tool // as Ollama's own types hold them
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	functions := template.FuncMap{"json": func(value any) string {
		written, _ := json.Marshal(value)
		return string(written)
	}}
	parsed := template.Must(template.New("modelfile").Funcs(functions).Parse(string(text)))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var data conversation
		if err := json.Unmarshal(lines.Bytes(), &data); err != nil {
			panic(err)
		}
		var written strings.Builder
		if err := parsed.Execute(&written, data); err != nil {
			panic(err)
		}
		line, _ := json.Marshal(outcome{Prompt: written.String(), Tools: data.Tools})
		fmt.Println(string(line))
	}
}
