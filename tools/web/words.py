"""What the web page says, in English and Chinese."""

import re

from utils.system import words
from utils.system.notes import Note

LANGUAGES = {"English": "en", "中文": "zh"}

# key: English, Chinese; names in braces are filled in by `say`.
WORDS = {
    # the page
    "title": (
        "# Background matting\nTwo photographs of one scene, with and without the subject: out come alpha, foreground "
        "and a cut-out at full size.",
        "# 背景抠图\n同一场景拍两张照片，一张有主体，一张没有，即可得到原尺寸的透明度（alpha）、前景与抠图。",
    ),
    "language": ("Language", "语言"),
    "pictures": ("Picture", "图片"),
    "clips": ("Video", "视频"),
    "src": ("Photo with the subject", "有主体的照片"),
    "bgr": ("Empty scene: same place, nobody in it", "空场景：同一机位，画面中没有人"),
    "swap": ("⇄ Swap the two", "⇄ 交换两张"),
    "drop": ("Drop a picture\nor click", "拖入图片\n或点击选择"),
    "examples": ("Examples (click)", "示例（点击使用）"),
    "target": ("What the subject is put before", "主体合成到什么背景上"),
    "colour": ("Colour", "颜色"),
    "target_picture": ("or a picture", "或一张图片"),
    "options": ("Options", "选项"),
    "align": ("Align the background with the source", "背景与原图对齐"),
    "exposure": ("Match the exposure", "匹配曝光"),
    "refine": ("Refinement", "精修方式"),
    "engine": ("Engine", "推理引擎"),
    "auto": ("automatic", "自动"),
    "off": ("off", "关闭"),
    "homography": ("always", "始终"),
    "sampling": ("fixed number of pixels", "固定像素数"),
    "thresholding": ("where an error is expected", "预计有误差之处"),
    "full": ("everything (slow)", "全部（较慢）"),
    "run": ("Cut out", "开始抠图"),
    "compare": ("Before | after", "原图 | 合成"),
    "pha": ("Alpha", "透明度（alpha）"),
    "com": ("Foreground, cut out", "抠出的前景"),
    "get_com": ("↓ Cut-out (RGBA)", "↓ 抠图（透明）"),
    "get_pha": ("↓ Alpha", "↓ 透明度"),
    "get_fgr": ("↓ Foreground", "↓ 前景"),
    "get_over": ("↓ Composite", "↓ 合成图"),
    "limits": (
        "Pictures: JPEG, PNG, HEIC, AVIF, WebP, TIFF or BMP, at most {megabytes} MB and {megapixels} million pixels. "
        "What is uploaded and what is made of it is deleted after {minutes} minutes, results also when the page is "
        "closed.",
        "图片：JPEG、PNG、HEIC、AVIF、WebP、TIFF 或 BMP，每张不超过 {megabytes} MB、{megapixels}00 万像素。"
        "上传的文件和生成的结果会在 {minutes} 分钟后删除，关闭页面时结果立即删除。",
    ),
    "clip_limits": (
        "Clips: MP4, MOV, MKV, WebM or AVI, at most {clip_megabytes} MB and {seconds} seconds. Without an empty scene "
        "the background is estimated from the clip, whose camera must have stood still then.",
        "视频：MP4、MOV、MKV、WebM 或 AVI，不超过 {clip_megabytes} MB、{seconds} 秒。"
        "不传空场景时由视频自动估计背景，此时机位必须固定。",
    ),
    "clip": ("Clip, with the subject", "视频（有主体）"),
    "clip_bgr": ("Empty scene (none: from the clip, if the camera stood still)", "空场景（机位固定时可不传）"),
    "format": ("Result", "输出格式"),
    "mp4": ("MP4 on the new background", "MP4，合成到新背景"),
    "webm": ("WebM with alpha", "WebM，带透明通道"),
    "mov": ("MOV, ProRes 4444 with alpha", "MOV（ProRes 4444），带透明通道"),
    "result": ("Result", "结果"),
    "get_clip": ("↓ Result", "↓ 结果"),
    "get_clip_pha": ("↓ Alpha", "↓ 透明度"),
    # what is refused
    "no_src": ("Upload the photo with the subject first.", "请先上传有主体的照片。"),
    "no_bgr": (
        "Upload the empty scene first: the same place, from the same position, with nobody in it.",
        "请先上传空场景：同一机位拍摄、画面中没有人的照片。",
    ),
    "too_heavy": (
        "{name} has {size:.1f} MB; at most {limit} MB are taken: save it smaller.",
        "{name} 为 {size:.1f} MB，超过上限 {limit} MB：请缩小后再上传。",
    ),
    "no_picture": (
        "{name} is not a picture that can be read: upload a JPEG, PNG, HEIC, AVIF, WebP, TIFF or BMP file.",
        "{name} 不是可读取的图片：请上传 JPEG、PNG、HEIC、AVIF、WebP、TIFF 或 BMP 文件。",
    ),
    "too_large": (
        "{name} is {width}×{height}; at most {limit} million pixels and {side} on a side are taken: reduce it.",
        "{name} 的尺寸为 {width}×{height}，上限为 {limit}00 万像素、单边 {side} 像素：请缩小后再上传。",
    ),
    "damaged": (
        "{name} is damaged or cut off: save or copy it again.",
        "{name} 已损坏或不完整：请重新保存或复制。",
    ),
    "too_costly": (
        "{name} takes more memory or time to read than its size needs: save it anew as PNG or JPEG.",
        "读取 {name} 所需的内存或时间超出其尺寸应有的限度：请重新保存为 PNG 或 JPEG。",
    ),
    "no_clip_given": ("Upload a clip first.", "请先上传视频。"),
    "no_clip": (
        "{name} is not a video that can be read: upload an MP4, MOV, MKV, WebM or AVI file.",
        "{name} 不是可读取的视频：请上传 MP4、MOV、MKV、WebM 或 AVI 文件。",
    ),
    "too_long": (
        "{name} is longer than {seconds} seconds or {frames} frames: cut it shorter, or use predict.py.",
        "{name} 超过 {seconds} 秒或 {frames} 帧：请剪短，或改用 predict.py。",
    ),
    "clip_too_large": (
        "{name} has frames of {width}×{height}; at most 4K is taken: reduce it.",
        "{name} 的画面为 {width}×{height}，最大支持 4K：请缩小后再上传。",
    ),
    "too_many_frames": (
        "{name} has more frames than its index: convert it anew.",
        "{name} 的帧数多于其索引：请重新转换格式。",
    ),
    "clip_failed": ("{name} cannot be matted: {why}", "无法处理 {name}：{why}"),
    "failed": ("{why}", "{why}"),
    "gone": ("The result has been deleted in the meantime: run it again.", "结果已被删除：请重新抠图。"),
    "no_memory": ("Not enough memory for pictures of this size: reduce them.", "内存不足：请缩小图片。"),
    "no_room": (
        "The page's disk is full: try again in a few minutes.",
        "服务器存储空间已满：请过几分钟再试。",
    ),
    "bad_option": ("This option does not exist: reload the page.", "没有这个选项：请刷新页面。"),
}


# kind of a utils.system.notes.Note: Chinese; and English where the sentence of the programs does not fit a page.
NOTES = {
    "took": (
        "{width}×{height}，用时 {seconds:.2f} 秒，引擎 {engine}",
        "{width}×{height}, {seconds:.2f} s, engine {engine}",
    ),
    "aligned": ("两次拍摄之间相机移动了最多 {motion:.1f} 像素：背景已对齐",),
    "not_aligned": ("未能对齐背景：{reason}；请在同一位置、以同样的焦距拍摄两张照片",),
    "filled": ("画面的 {share:.1%} 在背景图中没有拍到，已填补",),
    "few_features": ("两张照片共有的特征太少",),
    "few_matches": ("两张照片中一致的特征太少",),
    "folded": ("按找到的特征，画面会翻折",),
    "moved_far": ("按找到的特征，移动量超过画面的 {limit:.0%}",),
    "scaled": ("按找到的特征，缩放为 {scale:.2f} 倍",),
    "no_better": ("移动背景并不能减小差异",),
    "no_texture": ("纹理太少",),
    "too_small": ("图片太小",),
    "still": ("相机没有移动",),
    "not_asked": ("未要求",),
    "exposed": ("光线有变化：背景已调整到原图的曝光",),
    "not_exposed": ("未能匹配曝光：{reason}；请固定曝光和白平衡，短时间内拍摄两张照片",),
    "no_smooth_ground": ("可供测量的平滑区域太少",),
    "no_common_light": ("只有 {share:.0%} 的平滑区域符合同一曝光",),
    "no_change_of_light": ("颜色相差 {least:.2f} 至 {most:.2f} 倍，不像是光线变化",),
    "same_light": ("两张照片相同",),
    "followed": ("相机移动过：{frames} 帧中有 {moved} 帧跟踪了背景",),
    "lost": ("{frames} 帧中有 {lost} 帧无法对齐背景：请固定相机，或移动得少一些、慢一些",),
    "exposed_again": ("光线变化：重新匹配曝光 {times} 次",),
    "resized": ("背景图为 {bgr}，原图为 {src}：背景已缩放；两张尺寸相同时边缘更好",),
    "other_shape": (
        "背景图为 {bgr}，原图为 {src}：两者须在同一机位拍摄且未经裁剪。",
        "The background is {bgr}, the source {src}: both must come from one camera position, uncropped.",
    ),
    "turned": (
        "背景图为 {bgr}，原图为 {src}：其中一张旋转了 90 度，请转正后重新保存。",
        "The background is {bgr}, the source {src}: one of them is turned by 90 degrees; rotate it and save it again.",
    ),
    "refused": ("{reason}", "{reason}"),
    "same_scene": ("原图与背景图只有 {share:.1%} 的画面不同：人物可能也在背景图里；请在没有人的情况下重拍背景",),
    "other_scene": (
        "原图与背景图有 {share:.0%} 的画面不同：背景图必须是同一位置拍摄的、没有主体的同一场景，而不是要换上的新背景",
        "source and background differ in {share:.0%} of the picture: the background must be the same scene without the "
        "subject, from the same position, not the new background that the subject is to be put on",
    ),
    "other_ground": (
        "主体周围有 {share:.0%} 的背景不一致：两张照片之间相机或光线变了；请让“背景与原图对齐”和“匹配曝光”保持“自动”，"
        "或固定相机、对焦、曝光和白平衡，短时间内重拍两张",
        "source and background differ in {share:.0%} of the ground around the subject: the camera or the light moved "
        "between the two pictures; keep the two corrections on automatic, or take both again, shortly after one "
        "another, with camera, focus, exposure and white balance fixed",
    ),
    "swapped": (
        "原图与背景图似乎放反了：原图应有主体，背景图应没有主体",
        "source and background seem to be swapped: the source is the picture with the subject",
    ),
    "turned_scene": ("两张照片中似乎有一张旋转了，请转正后重新保存",),
    "shadow": ("阴影占画面的 {share:.1%}：其中一部分可能会随主体一起抠出；请让主体离墙远一些，或从正面用柔和的光照明",),
    "background_estimated": ("由视频估计背景，用时 {seconds:.1f} 秒",),
    "unsure": (
        "由视频估计背景：画面的 {share:.0%} 几乎一直被遮挡，那里的透明度可能有误：请让主体离开画面几秒，"
        "或另传一张没有主体的背景图（相机移动时必须提供）",
        "in {share:.0%} of the picture the background was hardly ever seen, and alpha may be wrong there: let the "
        "subject leave the picture for a few seconds, or give a picture of the empty scene, which a camera that moves "
        "always needs",
    ),
    "clip_done": ("{width}×{height}：{frames} 帧，用时 {seconds:.1f} 秒（每秒 {rate:.2f} 帧）",),
    "frames_failed": (
        "{count} 帧无法读取，已略去",
        "{count} frames could not be read and were left out",
    ),
    "sound_encoded": ("声音：{old} 已转为 {new}，因为该格式不能直接容纳",),
    "even_sides": ("H.264 只支持偶数边长：视频为 {width}x{height}，边缘已重复",),
    "background_found": ("视频开头或结尾为空场景：已作为背景",),
    "interlaced": ("视频为隔行扫描：已去隔行",),
    "hdr": ("视频是 HDR：已转换为 SDR（BT.709）",),
    "damaged": ("视频有 {places} 处损坏，已略去：请重新复制",),
    "cut_off": ("视频不完整：只能读取 {frames} 帧（{seconds:.2f} 秒），而文件头记为 {stated:.2f} 秒",),
}


def say(key, language="en", **values):
    """The words of a key in a language, `"en"` or `"zh"`; another one means English."""
    return WORDS[key][1 if language == "zh" else 0].format(**values)


def say_note(note, language="en"):
    """The sentence of a utils.system.notes.Note in a language; English where there is none in Chinese."""
    chinese, *english = NOTES.get(note.kind, (None,))
    sentence = chinese if chinese and language == "zh" else (english or [words.WORDS.get(note.kind)])[0]
    values = {name: say_note(v, language) if isinstance(v, Note) else v for name, v in note.values.items()}
    return sentence.format(**values)


class Refused(ValueError):
    """What a visitor sent cannot be used; `str(refused)` is English, `refused.line("zh")` Chinese.

    The key is one of WORDS or of NOTES.
    """

    def __init__(self, key, **values):
        self.key, self.values = key, values
        super().__init__(self.line("en"))

    def line(self, language):
        if self.key in WORDS:
            return say(self.key, language, **self.values)
        return say_note(Note(self.key, **self.values), language)


def refusal(error, name=""):
    """The Refused of an error with pictures or a clip; what has no note is told in English, without folders."""
    note = getattr(error, "note", None)
    if note is None:
        return Refused("clip_failed", name=name, why=re.sub(r"(?:/[^/\s:]+)+/", "", str(error)))
    return Refused(note.kind, **note.values)
