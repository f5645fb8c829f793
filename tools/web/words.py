"""What the web page says, in English and Chinese."""

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
    "src": ("Source", "原图（有主体）"),
    "bgr": ("Background", "背景图（无主体）"),
    "drop": ("Drop a picture\nor click", "拖入图片\n或点击选择"),
    "examples": ("Examples (click)", "示例（点击使用）"),
    "target": ("New background", "新背景"),
    "colour": ("Colour", "颜色"),
    "target_picture": ("or a picture", "或一张图片"),
    "options": ("Options", "选项"),
    "align": ("Lay the background over the source", "背景与原图对齐"),
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
    "compare": ("Source | on the new background: drag the line", "原图 | 新背景合成：拖动分界线"),
    "pha": ("Alpha", "透明度（alpha）"),
    "com": ("Foreground, cut out", "抠出的前景"),
    "get_com": ("↓ Cut-out (RGBA)", "↓ 抠图（透明）"),
    "get_pha": ("↓ Alpha", "↓ 透明度"),
    "get_fgr": ("↓ Foreground", "↓ 前景"),
    "get_over": ("↓ Composite", "↓ 合成图"),
    "limits": (
        "Pictures: PNG, JPEG, WebP, TIFF or BMP, at most {megabytes} MB and {megapixels} million pixels. What is "
        "uploaded and what is made of it is deleted after {minutes} minutes, results also when the page is closed.",
        "图片：PNG、JPEG、WebP、TIFF 或 BMP，每张不超过 {megabytes} MB、{megapixels} 百万像素。"
        "上传的文件和生成的结果会在 {minutes} 分钟后删除，关闭页面时结果立即删除。",
    ),
    "clip_limits": (
        "Clips: MP4, MOV, MKV, WebM or AVI, at most {clip_megabytes} MB and {seconds} seconds. Without a background it "
        "is estimated from the clip, whose camera must have stood still then.",
        "视频：MP4、MOV、MKV、WebM 或 AVI，不超过 {clip_megabytes} MB、{seconds} 秒。"
        "不传背景图时由视频自动估计，此时机位必须固定。",
    ),
    "clip": ("Clip, with the subject", "视频（有主体）"),
    "clip_bgr": (
        "Background; none: from the clip, if the camera stood still",
        "背景图；机位固定时可不传，由视频自动估计",
    ),
    "format": ("Result", "输出格式"),
    "mp4": ("MP4 on the new background", "MP4，合成到新背景"),
    "webm": ("WebM with alpha", "WebM，带透明通道"),
    "mov": ("MOV, ProRes 4444 with alpha", "MOV（ProRes 4444），带透明通道"),
    "result": ("Result", "结果"),
    "get_clip": ("↓ Result", "↓ 结果"),
    "get_clip_pha": ("↓ Alpha", "↓ 透明度"),
    "took": (
        "{width}×{height}, {seconds:.2f} s, engine {engine}",
        "{width}×{height}，用时 {seconds:.2f} 秒，引擎 {engine}",
    ),
    # what is refused
    "no_src": ("Upload the picture with the subject first.", "请先上传有主体的原图。"),
    "no_bgr": (
        "Upload the background first: the same scene without the subject.",
        "请先上传背景图：同一场景、没有主体的照片。",
    ),
    "too_heavy": (
        "{name} has {size:.1f} MB; at most {limit} MB are taken: save it smaller.",
        "{name} 为 {size:.1f} MB，超过上限 {limit} MB：请缩小后再上传。",
    ),
    "no_picture": (
        "{name} is not a picture that can be read: upload a PNG, JPEG, WebP, TIFF or BMP file.",
        "{name} 不是可读取的图片：请上传 PNG、JPEG、WebP、TIFF 或 BMP 文件。",
    ),
    "too_large": (
        "{name} is {width}×{height}; at most {limit} million pixels and {side} on a side are taken: reduce it.",
        "{name} 的尺寸为 {width}×{height}，上限为 {limit} 百万像素、单边 {side} 像素：请缩小后再上传。",
    ),
    "damaged": (
        "{name} is damaged or cut off: save or copy it again.",
        "{name} 已损坏或不完整：请重新保存或复制。",
    ),
    "other_shape": (
        "The background is {bgr}, the source {src}: both must come from one camera position, uncropped.",
        "背景图为 {bgr}，原图为 {src}：两张照片须在同一机位拍摄且未经裁剪。",
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
    "clip_failed": ("{name} cannot be matted: {why}", "无法处理 {name}：{why}"),
    "gone": ("The result has been deleted in the meantime: run it again.", "结果已被删除：请重新抠图。"),
    "no_memory": ("Not enough memory for pictures of this size: reduce them.", "内存不足：请缩小图片。"),
    "no_room": (
        "The page's disk is full: try again in a few minutes.",
        "服务器存储空间已满：请过几分钟再试。",
    ),
    "bad_option": ("This option does not exist: reload the page.", "没有这个选项：请刷新页面。"),
}


def say(key, language="en", **values):
    """The words of a key in a language, `"en"` or `"zh"`; another one means English."""
    return WORDS[key][1 if language == "zh" else 0].format(**values)


class Refused(ValueError):
    """What a visitor sent cannot be used; `str(refused)` is English, `refused.line("zh")` Chinese."""

    def __init__(self, key, **values):
        super().__init__(say(key, **values))
        self.key, self.values = key, values

    def line(self, language):
        return say(self.key, language, **self.values)
