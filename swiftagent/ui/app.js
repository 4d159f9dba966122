"use strict";
// Every page works by its address: what changes is fetched from the same address and put in place by id.

async function refresh(address) {
  const answer = await fetch(address || location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (!now || now.innerHTML === old.innerHTML) continue;
    const atEnd = old.scrollHeight - old.scrollTop - old.clientHeight < 4;
    old.innerHTML = now.innerHTML;
    if (old.matches(".log") && atEnd) old.scrollTop = old.scrollHeight;
  }
  // An answer that is still being found is asked for again.
  if (document.querySelector("[data-pending]")) setTimeout(() => refresh().catch(() => {}), 600);
}

function poll(every) {
  setTimeout(async () => {
    const wanted = document.querySelector("[data-every]");
    if (!document.hidden) await refresh().catch(() => {});
    if (wanted && !document.querySelector("[data-ended]")) poll(every);
  }, every);
}

if (document.querySelector("[data-pending]")) setTimeout(refresh, 300);

for (const log of document.querySelectorAll(".log")) log.scrollTop = log.scrollHeight;

const polled = document.querySelector("[data-every]");
if (polled && !document.querySelector("[data-ended]")) poll(Number(polled.dataset.every));

// A form with data-preview shows what its fields stand for while they are filled in.
for (const form of document.querySelectorAll("form[data-preview]")) {
  let waiting;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const address = location.pathname + "?" + new URLSearchParams(new FormData(form));
      history.replaceState(null, "", address);
      refresh(address).catch(() => {});
    }, 350);
  });
}

for (const select of document.querySelectorAll("select[data-go]")) {
  select.addEventListener("change", () => { location.search = new URLSearchParams(new FormData(select.form)); });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "✓";
  }
  if (event.target.closest("#theme")) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const root = document.documentElement;
    const next = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    document.cookie = `theme=${next}; path=/; samesite=strict; max-age=31536000`;
  }
});

// The report names a tool, and its training rows are shown. It runs in an origin of its own, so it can do no more.
addEventListener("message", (event) => {
  const frame = document.querySelector("iframe[data-rows]");
  if (frame && event.source === frame.contentWindow && typeof event.data.tool === "string")
    location.href = frame.dataset.rows + encodeURIComponent(event.data.tool);
});

const drop = document.querySelector(".drop");
if (drop) {
  const files = drop.querySelector("input");
  files.addEventListener("change", () => drop.closest("form").submit());
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) {
        files.files = event.dataTransfer.files;
        drop.closest("form").submit();
      }
    });
  }
}

// The conversation: events of the server's stream, each shown as text and never as markup.
const talk = document.getElementById("talk");
if (talk) {
  const words = JSON.parse(talk.dataset.words);
  const input = document.querySelector("#ask textarea");
  const send = (body) => fetch("/try/send", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.assign({ chat: talk.dataset.chat }, body)),
  });
  const column = (side) => document.getElementById("side-" + side) || document.getElementById("side-tuned");
  const say = (side, kind, label, text) => {
    const box = document.createElement("div");
    box.className = "said " + kind;
    if (label) box.append(Object.assign(document.createElement("b"), { textContent: label }));
    box.append(text);
    (kind === "question" ? document.getElementById("questions") || column(side) : column(side)).append(box);
    box.scrollIntoView({ block: "nearest" });
    return box;
  };
  let live = null;
  const reply = (box, body) => {
    box.querySelectorAll("button, input").forEach((part) => { part.disabled = true; });
    send(body);
  };
  const ask = (event, kind) => {
    const box = say(event.side, "call", words[kind], event.tool + "\n" + JSON.stringify(event.arguments) + "\n");
    if (kind === "confirm") {
      for (const [label, allow] of [[words.allow, true], [words.refuse, false]]) {
        const button = Object.assign(document.createElement("button"), { textContent: label, type: "button" });
        button.addEventListener("click", () => reply(box, { allow }));
        box.append(button, " ");
      }
    } else {
      const line = Object.assign(document.createElement("input"), { placeholder: words.result });
      line.addEventListener("keydown", (key) => { if (key.key === "Enter") reply(box, { result: line.value }); });
      box.append(line);
      line.focus();
    }
  };
  const handlers = {
    ready: (event) => {
      talk.querySelectorAll(".loading").forEach((box) => box.remove());
      say(event.side, "live", "", words.ready + (event.tools.map((tool) => tool.name).join(", ") || words.none));
      input.disabled = false;
      input.focus();
    },
    question: (event) => event.side !== undefined && say("tuned", "question", "", event.text),
    step: () => { if (live) live.remove(); live = null; },
    text: (event) => { live = live || say(event.side, "live", "", ""); live.lastChild.textContent += event.text; },
    thought: (event) => say(event.side, "thought", words.thought, event.text),
    call: (event) => say(event.side, "call", event.tool, JSON.stringify(event.arguments, null, 1)),
    observation: (event) => {
      say(event.side, "observation" + (event.error ? " error" : ""), words.observation, event.text);
    },
    answer: (event) => say(event.side, "answer", words.answer, event.text),
    end: (event) => {
      if (live) live.remove();
      live = null;
      if (event.stopped_by !== "answer") say(event.side, "live", "", words.stopped + event.stopped_by);
      document.body.classList.remove("busy");
    },
    saved: (event) => say("tuned", "live", "", event.path ? words.saved + event.path : words.nothing),
    confirm: (event) => ask(event, "confirm"),
    ask: (event) => ask(event, "ask"),
    closed: (event) => { say("tuned", "error", words.closed, event.text); input.disabled = true; stream.close(); },
    error: (event) => say("tuned", "error", "", event.text),
    reset: () => talk.querySelectorAll(".said").forEach((box) => box.remove()),
  };
  const stream = new EventSource("/try/events?chat=" + encodeURIComponent(talk.dataset.chat));
  stream.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (handlers[event.event]) handlers[event.event](event);
  };
  const ask_now = () => {
    if (!input.value.trim()) return;
    send({ question: input.value.trim() });
    input.value = "";
  };
  document.getElementById("ask").addEventListener("submit", (event) => { event.preventDefault(); ask_now(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); ask_now(); }
  });
  document.getElementById("stop").addEventListener("click", () => send({ stop: true }));
  document.getElementById("reset").addEventListener("click", () => send({ reset: true }));
  document.getElementById("save").addEventListener("click", () => send({ save: "uploads/conversations.jsonl" }));
}
