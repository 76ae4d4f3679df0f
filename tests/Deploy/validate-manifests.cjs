// Validates Kubernetes objects against the schemas of kubernetes-models: JSON array on stdin, JSON array of complaints on stdout.
// The schemas let unknown fields through, so each object is looked at through a proxy that notes what the schema asks for: a
// field that nobody asked for is one that Kubernetes does not know.
const [, , modules] = process.argv;

function observe(value, unread, path) {
  if (value === null || typeof value !== "object") return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const key of Object.keys(value)) {
    copy[key] = observe(value[key], unread, `${path}/${key}`);
    if (!Array.isArray(value)) unread.add(`${path}/${key}`);
  }
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return target[key];
    },
  });
}

// apps/v1 Deployment → _schemas/IoK8sApiAppsV1Deployment
function schemaOf(object) {
  const [group, version] = object.apiVersion.includes("/") ? object.apiVersion.split("/") : ["core", object.apiVersion];
  const name = [group.split(".")[0], version, object.kind].map((part) => part[0].toUpperCase() + part.slice(1)).join("");
  return require(`${modules}/kubernetes-models/_schemas/IoK8sApi${name}.js`).validate;
}

function complaints(object) {
  const who = `${object.kind} ${object.metadata?.name}`;
  let validate;
  try {
    validate = schemaOf(object);
  } catch {
    return [`${who}: ${object.apiVersion} has no such kind`];
  }
  const unread = new Set();
  const valid = validate(observe(object, unread, ""));
  const wrong = valid ? [] : validate.errors.map((error) => `${who}: ${error.instancePath} ${error.message ?? error.keyword} ${JSON.stringify(error.params)}`);
  // Below a field that is unknown all others are, too.
  const unknown = [...unread].filter((path) => ![...unread].some((other) => path.startsWith(`${other}/`)));
  return [...wrong, ...unknown.map((path) => `${who}: ${path} is no field`)];
}

let text = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", () => process.stdout.write(JSON.stringify(JSON.parse(text).flatMap(complaints))));
