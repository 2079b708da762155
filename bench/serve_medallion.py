# Runs medallion, the OASIS reference TAXII server, as the bench needs it: serve_medallion.py FOLDER PORT PASSWORD [MONGODB_URL]
# Without a URL its memory backend stands in. Served by waitress with kept-alive connections, which is faster than the
# development server that its own command starts.
import json
import sys

import waitress
from medallion import load_app

folder, port, password = sys.argv[1:4]
url = sys.argv[4] if len(sys.argv) > 4 else None

root = {
    "title": "Bench",
    "versions": ["application/taxii+json;version=2.1"],
    "max_content_length": 104857600,
}
collection = {
    "id": "3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11",
    "title": "Bench",
    "can_read": True,
    "can_write": True,
    "media_types": ["application/stix+json;version=2.1"],
}

if url:
    from pymongo import ASCENDING, MongoClient

    client = MongoClient(url)
    information = client["discovery_database"]
    information["discovery_information"].insert_one({"title": "Bench", "default": "/api/", "api_roots": ["api"]})
    information["api_root_info"].insert_one({**root, "_url": "/api/", "_name": "api"})
    client["api"]["collections"].insert_one(dict(collection))
    # Its backend makes no index. These serve its queries by id and by date.
    objects = client["api"]["objects"]
    objects.create_index([("_collection_id", ASCENDING), ("id", ASCENDING)])
    objects.create_index([("_collection_id", ASCENDING), ("_manifest.date_added", ASCENDING)])
    backend = {"module": "medallion.backends.mongodb_backend", "module_class": "MongoBackend", "uri": url}
else:
    file = f"{folder}/memory.json"
    content = {
        "/discovery": {"title": "Bench", "default": "/api/", "api_roots": ["/api/"]},
        "api": {"information": root, "status": [], "collections": [{**collection, "objects": [], "manifest": []}]},
    }
    with open(file, "w") as out:
        json.dump(content, out)
    backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": file}

config = f"{folder}/medallion.json"
with open(config, "w") as out:
    json.dump({"backend": backend, "users": {"admin": password}, "taxii": {"max_page_size": 1000}}, out)
app = load_app(config)
server = waitress.create_server(app, host="127.0.0.1", port=int(port), max_request_body_size=104857600)
print(f"ready at http://127.0.0.1:{port}", flush=True)
server.run()
