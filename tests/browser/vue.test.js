// The documented front end in Vue 3.

import { frontEnd, hotReload } from "./front-ends.js";

frontEnd("Vue 3");
hotReload("Vue 3", "Chat.vue");
