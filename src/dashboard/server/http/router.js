'use strict';

const { HttpError } = require('../http-error.js');
const { Pages } = require('../pages.js');
const { Assets } = require('./assets.js');
const { HEADERS, requireOwnPage } = require('./security.js');

/** Maximum size of the body of a request, in bytes. */
const MOST_BODY = 64 * 1024;

/**
 * Request of any framework.
 * @typedef {object} Incoming
 * @property {string} method
 * @property {string} url path and query, as the client has sent them
 * @property {(name: string) => string | null} header
 * @property {(most: number) => Promise<string>} body reads the body, and rejects beyond `most` bytes
 * @property {object} raw the request of the framework
 */

/** Answers every request: checks first, then the page. */
class Router {
  #assets = new Assets();
  #options;
  #pages;
  #live;
  #act;

  /** @param {{ options: object, pages: object, live: object, act: (body: object, by: string | null) => Promise }} parts */
  constructor({ options, pages, live, act }) {
    this.#options = options;
    this.#pages = pages;
    this.#live = live;
    this.#act = act;
  }

  /**
   * Resolves with the response; never rejects.
   * @param {Incoming} request
   */
  async respond(request) {
    try {
      const by = await this.#user(request);
      const response = await this.#route(request, by);
      return { ...response, headers: { ...HEADERS, ...response.headers } };
    } catch (error) {
      const status = error instanceof HttpError ? error.status : statusOf(error);
      const message = status === 500 ? 'The dashboard has failed.' : error.message;
      return { status, headers: { ...HEADERS, ...JSON_TYPE }, body: JSON.stringify({ message }) };
    }
  }

  /** Resolves with the name of the user, or `null`; rejects without authorization. */
  async #user(request) {
    const { authorize } = this.#options;
    if (authorize === null) return null;
    const verdict = await authorize(request.raw);
    if (!verdict) throw new HttpError(401, 'You are not authorized.');
    if (typeof verdict === 'string') return verdict;
    return typeof verdict.user === 'string' ? verdict.user : null;
  }

  async #route(request, by) {
    const [path, search] = split(request.url);
    const query = Pages.query(search);
    const place = this.#place(path);
    if (request.method === 'POST') return this.#post(place, request, by);
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new HttpError(405, 'The method is not allowed.');
    // The page has relative addresses, which need the slash.
    if (place === null)
      return { status: 308, headers: { location: `${path.split('/').at(-1)}/${search && '?'}${search}` } };
    if (place === '') return this.#assets.respond('index.html', request);
    const [area, ...rest] = place.split('/');
    const name = rest.join('/');
    if (area === 'api') return { status: 200, headers: JSON_TYPE, body: await this.#pages.read(name, query) };
    if (area === 'live') return this.#live.respond(name, query);
    const asset = area === 'assets' && name !== 'index.html' ? this.#assets.respond(name, request) : null;
    if (asset === null) throw new HttpError(404, 'There is no such page.');
    return asset;
  }

  /** Returns the path behind the base path, which a framework can have removed; `null` without the slash behind it. */
  #place(path) {
    const { basePath } = this.#options;
    if (path === basePath && basePath !== '') return null;
    const isWhole = basePath !== '' && path.startsWith(`${basePath}/`);
    return (isWhole ? path.slice(basePath.length) : path).slice(1);
  }

  async #post(place, request, by) {
    if (!this.#options.hasActions) throw new HttpError(403, 'The dashboard is read-only: see the option actions.');
    requireOwnPage(request, this.#options.origins);
    if (place !== 'api/letters') throw new HttpError(404, 'There is no such action.');
    const done = await this.#act(parsed(await request.body(MOST_BODY)), by);
    return { status: 200, headers: JSON_TYPE, body: JSON.stringify(done) };
  }
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

function split(url) {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

function parsed(text) {
  try {
    const body = JSON.parse(text);
    if (typeof body === 'object' && body !== null) return body;
  } catch {
    // Told below.
  }
  throw new HttpError(400, 'The body must be a JSON object.');
}

/** Returns the status for an error of Redis, whose message names the server and the reason. */
function statusOf(error) {
  const isOfRedis = error?.name === 'ReplyError' || error?.node !== undefined || error?.code === 'MAX_RETRIES';
  return isOfRedis ? 502 : 500;
}

module.exports = { Router };
