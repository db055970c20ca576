// Makes the collections that mongo-schema.json defines, and the users, in a new MongoDB server.
//
// mongosh runs it: the image `mongo` does so at its first start when this file and mongo-schema.json lie in
// /docker-entrypoint-initdb.d; by hand it is `mongosh mongodb://localhost:27017 init-mongo.js`. What is there already is
// changed where it differs. Everything comes from the environment:
//
//   PIPELINE_DATABASE                         the database (iot_analytics)
//   PIPELINE_READINGS_RETENTION …             days, as in `spark_job.py --help`; 0 keeps for good
//   MONGO_APP_USERNAME, MONGO_APP_PASSWORD               the user of the pipeline: reads and writes (pipeline)
//   MONGO_DASHBOARD_USERNAME, MONGO_DASHBOARD_PASSWORD   the page's: reads, and acknowledges alarms (dashboard)
//   MONGO_READER_USERNAME, MONGO_READER_PASSWORD         a user that only reads (reader)
//
// A password may stand in a file that MONGO_…_PASSWORD_FILE names. A user without a password is not made; where
// MONGO_INITDB_ROOT_USERNAME says that the server asks for passwords, a missing one is an error.

const fs = require("fs");
const path = require("path");

const ENVIRONMENT = process.env;
const SECONDS_PER_DAY = 86400;
const FOR_GOOD = 2 ** 31 - 1;

const schema = JSON.parse(fs.readFileSync(path.join(__dirname, "mongo-schema.json"), "utf8"));
const database = db.getSiblingDB(ENVIRONMENT.PIPELINE_DATABASE || "iot_analytics");

function expireAfterSeconds(retention) {
  const variable = `PIPELINE_${retention.setting.toUpperCase()}`;
  const days = Number(ENVIRONMENT[variable] || retention.days);
  if (!Number.isFinite(days) || days < 0 || days * SECONDS_PER_DAY > FOR_GOOD) {
    throw new Error(`${variable}: '${ENVIRONMENT[variable]}' is no number of days; give one such as ${retention.days}`);
  }
  return days === 0 ? FOR_GOOD : Math.ceil(days * SECONDS_PER_DAY);
}

function applyCollection(name, definition) {
  const existing = database.getCollectionNames();
  const command = existing.includes(name) ? "collMod" : "create";
  database.runCommand({
    [command]: name,
    validator: definition.validator,
    validationLevel: "strict",
    validationAction: "error",
  });

  const collection = database.getCollection(name);
  for (const keys of definition.indexes) collection.createIndex(keys);

  const expiry = { [definition.retention.field]: 1 };
  const seconds = expireAfterSeconds(definition.retention);
  const index = collection.getIndexes().find((one) => JSON.stringify(one.key) === JSON.stringify(expiry));
  if (!index) {
    collection.createIndex(expiry, { expireAfterSeconds: seconds });
  } else if (index.expireAfterSeconds !== seconds) {
    database.runCommand({ collMod: name, index: { keyPattern: expiry, expireAfterSeconds: seconds } });
  }
}

function applyUser(prefix, defaultName, roles) {
  const name = ENVIRONMENT[`${prefix}_USERNAME`] || defaultName;
  const file = ENVIRONMENT[`${prefix}_PASSWORD_FILE`];
  const password = file ? fs.readFileSync(file, "utf8").trimEnd() : ENVIRONMENT[`${prefix}_PASSWORD`];
  if (!password) {
    if (ENVIRONMENT.MONGO_INITDB_ROOT_USERNAME) {
      throw new Error(`${prefix}_PASSWORD is not set: the server asks for passwords, so the user ${name} needs one`);
    }
    print(`The user ${name} is not made: ${prefix}_PASSWORD is not set`);
    return;
  }
  if (database.getUser(name)) database.updateUser(name, { pwd: password, roles });
  else database.createUser({ user: name, pwd: password, roles });
}

function applyRole(role, collection, actions) {
  const privileges = [{ resource: { db: database.getName(), collection }, actions }];
  if (database.getRole(role)) database.updateRole(role, { privileges, roles: [] });
  else database.createRole({ role, privileges, roles: [] });
  return role;
}

for (const [name, definition] of Object.entries(schema.collections)) applyCollection(name, definition);
// readWrite makes collections and indexes, but does not change a retention or a validator.
applyUser("MONGO_APP", "pipeline", ["readWrite", applyRole("schemaKeeper", "", ["collMod"])]);
applyUser("MONGO_DASHBOARD", "dashboard", ["read", applyRole("alarmAcknowledger", "alarms", ["update"])]);
applyUser("MONGO_READER", "reader", ["read"]);
print(`The collections and users of ${database.getName()} are there`);
