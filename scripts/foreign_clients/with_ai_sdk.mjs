// Vercel AI SDK: generateText and streamText, over chat completions (openai-compatible) and over responses (openai).
import fs from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

const [react, native, model, provider] = process.argv.slice(2);
const FIRE = "Is there a fire in the picture yard_17.png? Please do whatever is right.";
const OSLO = [["weather", { city: "Oslo" }]];

const model_at = (url, key = "none") =>
  provider === "openai"
    ? createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses("my-agent")
    : createOpenAICompatible({
        name: "local",
        baseURL: `${url}/v1`,
        apiKey: key,
        supportsStructuredOutputs: true,
      }).chatModel("my-agent");

const declared = (description, fields, execute) =>
  tool({
    description,
    inputSchema: jsonSchema({
      type: "object",
      properties: Object.fromEntries(
        Object.entries(fields).map(([name, about]) => [name, { type: "string", description: about }]),
      ),
      required: Object.keys(fields),
      additionalProperties: false,
    }),
    execute,
  });

const TOOLS = {
  weather: declared("The weather of a city.", { city: "its name" }),
  clock: declared("The time.", {}),
};
const ALARM = {
  fire_recognition: declared("Recognise fire in an image.", { image: "image file" }, async () => ({
    fire: true,
    place: "hall 4",
  })),
  fire_alert: declared("Sound the fire alarm.", { place: "where" }, async () => ({ alarm: "on" })),
  call_fireman: declared("Call the fire brigade.", { place: "where" }, async () => ({ minutes: 10 })),
};

const calls_of = (calls) => calls.map((call) => [call.toolName, call.input]);

async function ask(url, prompt, { tools, choice = "auto", stream = false, key } = {}) {
  const toolChoice = ["auto", "none", "required"].includes(choice) ? choice : { type: "tool", toolName: choice };
  const asked = { model: model_at(url, key), prompt, maxRetries: 0, ...(tools && { tools, toolChoice }) };
  if (!stream) {
    const { text, toolCalls } = await generateText(asked);
    return { text, calls: calls_of(toolCalls) };
  }
  let failure;
  const result = streamText({ ...asked, onError: ({ error }) => (failure = error) });
  let pieces = 0;
  for await (const _ of result.textStream) pieces++;
  if (failure) throw failure;
  return { text: await result.text, calls: calls_of(await result.toolCalls), pieces };
}

function expect(got, wanted) {
  if (JSON.stringify(got) !== JSON.stringify(wanted))
    throw new Error(`${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

async function called(url, prompt, wanted, choice) {
  for (const stream of [false, true])
    expect((await ask(url, prompt, { tools: TOOLS, choice, stream })).calls, wanted);
}

const features = {
  chat: async () => expect((await ask(react, "Say hello.")).text, "Hello there."),
  stream: async () => {
    const { text, pieces } = await ask(react, "Say hello.", { stream: true });
    expect([text, pieces > 1], ["Hello there.", true]);
  },
  "one call": () => called(react, "Is it warm in Oslo?", OSLO),
  "parallel calls": () => called(native, "Oslo or Rome?", [...OSLO, ["weather", { city: "Rome" }]]),
  "loop to its end": async () => {
    const { text, steps } = await generateText({
      model: model_at(model),
      prompt: FIRE,
      tools: ALARM,
      stopWhen: stepCountIs(6),
    });
    const names = steps.flatMap((step) => step.toolCalls.map((call) => call.toolName));
    expect([names, text.includes("hall 4")], [Object.keys(ALARM), true]);
  },
  auto: () => called(react, "Is it warm in Oslo?", OSLO, "auto"),
  none: async () =>
    expect(await ask(react, "Is it warm in Oslo?", { tools: TOOLS, choice: "none" }), {
      text: "Nothing is called.",
      calls: [],
    }),
  required: () => called(react, "Is it warm in Oslo?", OSLO, "required"),
  named: () => called(react, "What time is it?", [["clock", {}]], "clock"),
  structured: async () => {
    const schema = jsonSchema({
      type: "object",
      properties: { place: { type: "string", maxLength: 20 }, on_fire: { type: "boolean" } },
      required: ["place", "on_fire"],
      additionalProperties: false,
    });
    const { output } = await generateText({
      model: model_at(model),
      prompt: "Say where it burns as JSON.",
      output: Output.object({ schema }),
    });
    expect([typeof output.place, typeof output.on_fire], ["string", "boolean"]);
  },
  errors: async () => {
    const wrong = [[false, "none", "context"], [true, "none", "context"], [false, "wrong", "key"]];
    for (const [stream, key, word] of wrong) {
      const failure = await ask(react, "Too long.", { stream, key }).catch((error) => error);
      if (!(failure instanceof Error && failure.message.includes(word)))
        throw new Error(`no error that names the ${word}: ${failure.message ?? JSON.stringify(failure)}`);
    }
  },
};

const found = {};
for (const [name, feature] of Object.entries(features)) {
  try {
    await feature();
    found[name] = "";
  } catch (error) {
    found[name] = `${error.name}: ${error.message}`;
  }
}
const { version } = JSON.parse(fs.readFileSync(new URL("./node_modules/ai/package.json", import.meta.url)));
console.log(JSON.stringify({ version, features: found }));
