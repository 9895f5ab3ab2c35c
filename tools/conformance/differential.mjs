// Answers questions with Backstage's own in-memory catalog client, a line of JSON each.
//
//   TOWPATH_NODE_PACKAGES=FOLDER node differential.mjs
//
// FOLDER has node_modules with @backstage/catalog-client. The first line on standard input is the
// list of all entities. Every other line is {call, request}; in a filter, null stands for "exists".
// Each answer is {value} or {error}: uids, unless the request has "fields".
//
// The client takes a key of a filter for another one when its entity writes it with capitals. So
// filters are put to a second client, whose entities have all keys in lower case; what they let
// through is then shown and counted by a client of the entities as they are.

import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const require = createRequire(path.join(process.env.TOWPATH_NODE_PACKAGES ?? '.', 'here.js'));
const { InMemoryCatalogClient } = require('@backstage/catalog-client/testUtils');
const { CATALOG_FILTER_EXISTS } = require('@backstage/catalog-client');

// Strings in lists are keys, too. Relations are found by the client's own rule.
function lowered(value, root = false) {
  if (Array.isArray(value)) {
    return value.map(item => (typeof item === 'string' ? item.toLowerCase() : lowered(item)));
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      root && key === 'relations' ? [key, item] : [key.toLowerCase(), lowered(item)],
    ),
  );
}

function loweredQuery(query) {
  if (query === null || typeof query !== 'object') return query;
  return Object.fromEntries(
    Object.entries(query).map(([key, value]) => {
      if (Array.isArray(value)) return [key, value.map(loweredQuery)];
      return key === '$not' ? [key, loweredQuery(value)] : [key.toLowerCase(), value];
    }),
  );
}

const group = conditions =>
  Object.fromEntries(conditions.map(([key, value]) => [key, value ?? CATALOG_FILTER_EXISTS]));

const uidOf = entity => entity?.metadata.uid ?? null;

class Catalog {
  constructor(entities) {
    this.byUid = new Map(entities.map(entity => [uidOf(entity), entity]));
    this.plain = new InMemoryCatalogClient({ entities });
    this.low = new InMemoryCatalogClient({ entities: entities.map(one => lowered(one, true)) });
  }

  // The client to ask, and the request as it takes it.
  asked({ filter, query, fields: _fields, facets: _facets, ...request }) {
    if (!filter?.length) return [this.plain, query === undefined ? request : { ...request, query }];
    const whole = { ...request, filter: filter.map(group) };
    return [this.low, query === undefined ? whole : { ...whole, query: loweredQuery(query) }];
  }

  // Entities of either client as answers have them.
  async shown(items, fields) {
    const uids = items.map(uidOf);
    if (!fields?.length) return uids;
    const entities = uids.filter(uid => uid !== null).map(uid => this.byUid.get(uid));
    const client = new InMemoryCatalogClient({ entities });
    const parts = (await client.getEntities({ fields })).items;
    return uids.map(uid => (uid === null ? null : parts.shift()));
  }

  async entities(request) {
    const [client, asked] = this.asked(request);
    return this.shown((await client.getEntities(asked)).items, request.fields);
  }

  async query(request) {
    const [client, asked] = this.asked(request);
    const { items, totalItems } = await client.queryEntities(asked);
    return { items: await this.shown(items, request.fields), totalItems };
  }

  async refs(request) {
    const [client, asked] = this.asked(request);
    return this.shown((await client.getEntitiesByRefs(asked)).items, request.fields);
  }

  async facets(request) {
    const [client, asked] = this.asked(request);
    const { items } = await client.queryEntities(asked);
    const entities = items.map(item => this.byUid.get(uidOf(item)));
    const counting = new InMemoryCatalogClient({ entities });
    return (await counting.getEntityFacets({ facets: request.facets })).facets;
  }
}

const calls = ['entities', 'query', 'refs', 'facets'];
let catalog;
for await (const line of readline.createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  let answer;
  try {
    if (!catalog) {
      catalog = new Catalog(said);
      answer = { value: said.length };
    } else if (calls.includes(said.call)) {
      answer = { value: await catalog[said.call](said.request) };
    } else {
      answer = { error: `there is no call ${said.call}` };
    }
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
