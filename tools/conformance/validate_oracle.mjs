// What JavaScript's `yaml` and `@backstage/catalog-model` say of descriptor files: one line of JSON
// a document, {file, index, accepted, error}, in the order of the files and of their documents.
//
//   node validate_oracle.mjs NODE_MODULES < list-of-files
//
// Empty documents are left out. A text that is no YAML at all is one document that is refused.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const require = createRequire(path.join(path.resolve(process.argv[2]), 'x.js'));
const yaml = require('yaml');
const model = require('@backstage/catalog-model');
const more = require('@backstage/catalog-model/alpha');
const { templateEntityV1beta3Validator } = require('@backstage/plugin-scaffolder-common');

const policy = model.EntityPolicies.allOf([
  new model.SchemaValidEntityPolicy(),
  new model.DefaultNamespaceEntityPolicy(),
  new model.NoForeignRootFieldsEntityPolicy(),
  new model.FieldFormatEntityPolicy(),
]);
const envelope = model.entityEnvelopeSchemaValidator();
const variants = {
  API: { 'mcp-server': more.mcpServerApiEntityValidator },
  AiResource: {
    skill: more.skillAiResourceEntityV1alpha1Validator,
    rule: more.ruleAiResourceEntityV1alpha1Validator,
    plugin: more.pluginAiResourceEntityV1alpha1Validator,
    marketplace: more.marketplaceAiResourceEntityV1alpha1Validator,
  },
};
const kinds = {
  API: model.apiEntityV1alpha1Validator,
  AiResource: more.aiResourceEntityV1alpha1Validator,
  Component: model.componentEntityV1alpha1Validator,
  Domain: model.domainEntityV1alpha1Validator,
  Group: model.groupEntityV1alpha1Validator,
  Location: model.locationEntityV1alpha1Validator,
  Resource: model.resourceEntityV1alpha1Validator,
  System: model.systemEntityV1alpha1Validator,
  User: model.userEntityV1alpha1Validator,
  Template: templateEntityV1beta3Validator,
};
// The reference fields of each kind with the kind that a bare name means, as the processors of
// plugin-catalog-backend read them: one that cannot be read fails the entity.
const refs = {
  Component: [['owner', 'Group'], ['system', 'System'], ['subcomponentOf', 'Component'],
    ['providesApis', 'API'], ['consumesApis', 'API'], ['dependsOn'], ['dependencyOf']],
  API: [['owner', 'Group'], ['system', 'System']],
  Resource: [['owner', 'Group'], ['system', 'System'], ['dependsOn'], ['dependencyOf']],
  System: [['owner', 'Group'], ['domain', 'Domain']],
  Domain: [['owner', 'Group'], ['subdomainOf', 'Domain']],
  Group: [['parent', 'Group'], ['children', 'Group'], ['members', 'User']],
  User: [['memberOf', 'Group']],
  Template: [['owner', 'Group']],
  AiResource: [['owner', 'Group'], ['system', 'System']],
};
const moreRefs = { skill: ['dependsOn'], plugin: ['skills'], marketplace: ['plugins'] };

async function judge(entity) {
  if (typeof entity !== 'object' || Array.isArray(entity)) throw new Error('not an object');
  envelope(entity);
  await policy.enforce(entity);
  const validator = variants[entity.kind]?.[entity.spec?.type] ?? kinds[entity.kind];
  if (!validator || !(await validator.check(entity))) throw new Error('no kind recognised it');
  const fields = [...(refs[entity.kind] ?? [])];
  if (entity.kind === 'AiResource' && Object.hasOwn(moreRefs, entity.spec.type)) {
    fields.push(...moreRefs[entity.spec.type].map(name => [name, 'AiResource']));
  }
  for (const [field, defaultKind] of fields) {
    for (const ref of [entity.spec[field] || []].flat()) {
      model.parseEntityRef(ref, { defaultKind, defaultNamespace: entity.metadata.namespace });
    }
  }
}

// Placeholders are resolved before a kind looks: a text stands for what `$text` would bring.
function resolved(value) {
  if (Array.isArray(value)) return value.map(resolved);
  if (value === null || typeof value !== 'object') return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && /^\$(text|json|yaml|openapi|asyncapi)$/.test(keys[0])) return 'text';
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, resolved(of)]));
}

for (const file of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  let index = 0;
  let documents;
  const say = error => console.log(JSON.stringify({
    file, index: index++, accepted: error === null, error: error && String(error).slice(0, 300),
  }));
  try {
    documents = yaml.parseAllDocuments(readFileSync(file, 'utf8'));
  } catch (error) {
    say(error);
    continue;
  }
  for (const document of Array.isArray(documents) ? documents : []) {
    if (document.errors.length) {
      say(document.errors[0]);
      continue;
    }
    try {
      const data = document.toJSON();
      if (data === null || data === undefined) continue;
      await judge(resolved(data));
      say(null);
    } catch (error) {
      say(error);
    }
  }
}
