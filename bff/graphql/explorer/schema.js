// The schema as a list of types that can be searched.

export const SCHEMA = `{
  __schema {
    queryType { name } mutationType { name } subscriptionType { name }
    types {
      name kind description
      fields { name description args { name description type { ...T } defaultValue } type { ...T } }
      inputFields { name description type { ...T } defaultValue }
      enumValues { name description }
    }
  }
}
fragment T on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }`;

/**
 * Which rows of a type fit the wanted word: all of them when the type's own name fits, else those whose name or
 * arguments fit. null when the type does not fit at all.
 */
export function fitting(type, wanted) {
  const has = (text) => text.toLowerCase().includes(wanted.toLowerCase());
  const all = rowsOf(type);
  if (has(type.name)) return all;
  const found = all.filter((row) => has(row.name) || (row.args ?? []).some((argument) => has(argument.name)));
  return found.length ? found : null;
}

/** The types of a schema, its roots first, without those of introspection. */
export function sorted(schema) {
  const roots = rootsOf(schema);
  const rank = (type) => (roots.includes(type.name) ? roots.indexOf(type.name) : roots.length);
  return schema.types
    .filter((type) => !type.name.startsWith("__"))
    .sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}

export const rootsOf = (schema) =>
  [schema.queryType, schema.mutationType, schema.subscriptionType].filter(Boolean).map((root) => root.name);

/** Shows the types that fit the word, with the rows that fit it. Without a word all types, the roots open. */
export function list(schema, wanted) {
  const roots = rootsOf(schema), shown = [];
  for (const type of sorted(schema)) {
    const rows = fitting(type, wanted);
    if (rows) shown.push(describe(type, rows, wanted ? true : roots.includes(type.name)));
  }
  return shown.length ? shown : [element("p", `No type and no field is called “${wanted}”.`)];
}

export const element = (tag, content = [], attributes = {}) => {
  const made = document.createElement(tag);
  made.append(...[content].flat());
  return Object.assign(made, attributes);
};

const rowsOf = (type) => [...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])];

function describe(type, rows, open) {
  const entries = rows.flatMap((row) => [
    element("dt", signature(row)),
    ...(row.description ? [element("dd", row.description)] : []),
  ]);
  const summary = element("summary", [type.name, " ", element("small", type.kind.toLowerCase().replace("_", " "))]);
  const about = type.description ? [element("p", type.description)] : [];
  return element("details", [summary, ...about, element("dl", entries)], { id: `type-${type.name}`, open });
}

function signature(field) {
  const found = [element("b", field.name)];
  if (field.args?.length) {
    found.push("(");
    field.args.forEach((argument, index) => {
      found.push(index ? ", " : "", `${argument.name}: `, ...typeText(argument.type));
      if (argument.defaultValue !== null) found.push(` = ${argument.defaultValue}`);
    });
    found.push(")");
  }
  if (field.type) found.push(": ", ...typeText(field.type));
  if (field.defaultValue) found.push(` = ${field.defaultValue}`);
  return found;
}

function typeText(type) {
  if (type.kind === "NON_NULL") return [...typeText(type.ofType), "!"];
  if (type.kind === "LIST") return ["[", ...typeText(type.ofType), "]"];
  return [element("a", type.name, { href: `#type-${type.name}` })];
}
