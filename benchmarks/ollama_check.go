// Built inside an Ollama checkout by ollama.py: renders conversations with Ollama's own template package and reads
// answers with its own tool-call parser. Usage: ollama_check TEMPLATE < conversations.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/template"
	"github.com/ollama/ollama/tools"
)

type conversation struct {
	Messages []api.Message
	Tools    api.Tools
	Answer   string
}

type outcome struct {
	Prompt string
	Tools  api.Tools // as Ollama's own types hold them
	Calls  []api.ToolCall
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	parsed, err := template.Parse(string(text))
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var given conversation
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			panic(err)
		}
		var prompt strings.Builder
		if err := parsed.Execute(&prompt, template.Values{Messages: given.Messages, Tools: given.Tools}); err != nil {
			panic(err)
		}
		parser := tools.NewParser(parsed.Template, given.Tools)
		found := outcome{Prompt: prompt.String(), Tools: given.Tools}
		for _, piece := range strings.SplitAfter(given.Answer, " ") { // as it comes from a model, piece by piece
			calls, _ := parser.Add(piece)
			found.Calls = append(found.Calls, calls...)
		}
		line, _ := json.Marshal(found)
		fmt.Println(string(line))
	}
}
