"""What Gradio does by itself and a page for strangers must not do: replaced here; see tests/web/test_strangers.py.

Written for the minor version that requirements/app.txt names.
"""

from pathlib import Path

import gradio as gr
import gradio.component_meta
import gradio.processing_utils
import gradio.route_utils
import safehttpx
from gradio_client.utils import is_file_obj, traverse

from tools.web.upload import original

WAITING_EACH = 2  # jobs that one visitor may have in the queue
SESSION = 64  # letters of a session's name
FILES_A_REQUEST = 4
DOWNLOADS = (
    "ssrf_protected_download async_ssrf_protected_download async_ssrf_protected_get unsafe_download save_url_to_cache"
)


def no_download(*_, **__):
    """In place of everything that fetches an address: a file's "path" may be one, in every input of the page."""
    raise gr.Error("only uploaded files are taken", print_exception=False)


async def uploaded_only(self, path):
    """In place of Block.async_move_resource_to_block_cache."""
    return no_download() if "://" in str(path) else await _to_cache(self, path)


_to_cache = gr.blocks.Block.async_move_resource_to_block_cache


class UploadParser(gradio.route_utils.GradioMultiPartParser):
    """Gradio's, which leaves files behind: of other fields, of impossible names and of connections that break off."""

    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "max_files": FILES_A_REQUEST, "max_fields": FILES_A_REQUEST})

    async def parse(self):
        try:
            form = await super().parse()
            for field, file in form.multi_items():
                if field != "files" or not Path(getattr(file, "filename", None) or "..").name.strip(" ."):
                    raise gradio.route_utils.MultiPartException("only files with a name are taken")
            return form
        except BaseException:
            for file in self._files_to_close_on_error:
                file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


# From here on, for all pages of this process.
for download in DOWNLOADS.split():
    setattr(gradio.processing_utils, download, no_download)
safehttpx.get = safehttpx.async_validate_url = no_download
gr.blocks.Block.async_move_resource_to_block_cache = uploaded_only
gradio.route_utils.GradioMultiPartParser = UploadParser
# A .pyi file beside each file with a component of its own, for whoever edits it.
gradio.component_meta.create_or_modify_pyi = lambda *_: None


def be_fair(queue):
    """Let nobody have more than WAITING_EACH jobs waiting in a queue of Gradio's: no session, and no address.

    This machine's own address does not count, since it may be a proxy's.
    """
    push = queue.push

    async def fair(body, request, username):
        if len(body.session_hash or "") > SESSION:
            return False, "this session's name is too long", "error"
        address = request.client.host if request.client else ""
        hosts = () if address in ("", "::1") or address.startswith("127.") else (address,)
        mine = [x for x in waiting(queue) if x.session_hash == body.session_hash or x.request.client.host in hosts]
        if len(mine) >= WAITING_EACH:
            why = f"{WAITING_EACH} jobs of yours are waiting: try again later (您的任务已在排队，请稍候)"
            return False, why, "queue_full"
        return await push(body=body, request=request, username=username)

    queue.push = fair


def waiting(queue):
    """The events of a queue of Gradio's that have not begun."""
    return [event for part in list(queue.event_queue_per_concurrency_id.values()) for event in list(part.queue)]


def files_in_use(queue):
    """Paths that the events of a queue name, those that have begun included."""
    running, files = [event for job in list(queue.active_jobs) for event in job or ()], []
    traverse([event.data and event.data.data for event in [*waiting(queue), *running]], files.append, is_file_obj)
    return {Path(path) for file in files for path in (file["path"], original(file["path"]))}
