"""The notes and warnings on a result in Chinese, for the web page; the rooms that write them know English alone."""

import re

# English and Chinese: `{}` is a word that is filled in, `{*}` several. A note may consist of several phrases, which are
# replaced one after the other.
PHRASES = (
    # what was done to the background: utils.background.align, utils.background.exposure, utils.background.follow
    ("background aligned: corners moved up to {} pixels, ", "背景已对齐：四角最多移动 {} 像素，"),
    ("background not moved: ", "背景未移动："),
    ("{} of {} matches agree", "{1} 个匹配点中 {0} 个一致"),
    (", residual {} -> {}", "，残差 {} → {}"),
    ("; {} of the picture is not in it and was filled", "；画面的 {} 没有拍到，已填补"),
    ("laying it over by the features found does not lower the difference", "按找到的特征对齐并不能减小差异"),
    ("too few features are in both pictures", "两张照片共有的特征太少"),
    ("too few matches agree", "一致的匹配点太少"),
    ("the features found would fold the picture over", "按找到的特征，画面会翻折"),
    ("the features found would move it by more than {} of the picture", "按找到的特征，移动量超过画面的 {}"),
    ("the features found would scale it by {}", "按找到的特征，缩放为 {} 倍"),
    ("the pictures are too small", "图片太小"),
    ("it has too little texture to align by", "纹理太少，无法对齐"),
    ("the camera stood still", "相机没有移动"),
    ("it was not asked for", "未要求"),
    ("; take both pictures from one place, with the same zoom", "；请在同一位置、以同样的焦距拍摄两张照片"),
    ("exposure kept: ", "曝光未改变："),
    (
        "exposure matched: gain {*}, bias {*} (red green blue), difference on smooth ground {} -> {}",
        "曝光已匹配：增益 {}，偏置 {}（红、绿、蓝），平滑处的差异 {} → {}",
    ),
    ("too little smooth ground to measure it on", "可供测量的平滑区域太少"),
    ("only {} of the smooth ground agrees on one exposure", "只有 {} 的平滑区域符合同一曝光"),
    ("gain {}, bias {} is no change of exposure", "增益 {}，偏置 {}，不像是曝光变化"),
    ("it is the same in both pictures", "两张照片相同"),
    ("camera moved: background followed in {} of {} frames", "相机移动过：{1} 帧中有 {0} 帧跟踪了背景"),
    (" ({} times estimated anew)", "（其中 {} 次重新估计）"),
    ("light changed: exposure matched again {} times", "光线变化：重新匹配曝光 {} 次"),
    # what looks wrong: utils.background
    (
        "the background is {}, the source {}: it was resized; pictures of equal size give better edges",
        "背景图为 {}，原图为 {}：背景已缩放；两张尺寸相同时边缘更好",
    ),
    (
        "source and background differ in {} of the picture only: if somebody is to be cut out, they may be standing in "
        "the background picture too; take it again with nobody in view",
        "原图与背景图只有 {} 的画面不同：人物可能也在背景图里；请在没有人的情况下重拍背景",
    ),
    (
        "source and background differ in {} of the picture: --bgr must be the same scene without the subject, from the "
        "same position, not the new background that the subject is to be put on",
        "原图与背景图有 {} 的画面不同：背景图必须是同一位置拍摄的、没有主体的同一场景，而不是要换上的新背景",
    ),
    (
        "source and background differ in {} of the ground around the subject: the camera or the light moved between "
        "the two pictures; keep --align and --match-exposure on auto, or take both again, shortly after one another, "
        "with camera, focus, exposure and white balance fixed",
        "主体周围有 {} 的背景不一致：两张照片之间相机或光线变了；请让“背景与原图对齐”和“匹配曝光”保持“自动”，"
        "或固定相机、对焦、曝光和白平衡，短时间内重拍两张",
    ),
    (
        "a shadow falls on {} of the picture: parts of it may be cut out with the subject; move the subject away from "
        "the wall or light it softly from the front",
        "阴影占画面的 {}：其中一部分可能会随主体一起抠出；请让主体离墙远一些，或从正面用柔和的光照明",
    ),
    (
        "--bgr auto: in {} of the picture the background was hardly ever seen, and alpha may be wrong there: let the "
        "subject leave the picture for a few seconds, or give a shot of the empty scene as --bgr, which a camera that "
        "moves always needs",
        "由视频估计背景：画面的 {} 几乎一直被遮挡，那里的透明度可能有误：请让主体离开画面几秒，或另传一张没有主体的"
        "背景图（相机移动时必须提供）",
    ),
    (
        "in {} of {} frames the background could not be laid over: put the camera on a stand, or move it less and more "
        "slowly",
        "{1} 帧中有 {0} 帧无法对齐背景：请固定相机，或移动得少一些、慢一些",
    ),
    # clips: utils.prediction.clip, utils.video.reader, utils.video.sound
    ("background estimated from {} in {} s", "由 {} 估计背景，用时 {} 秒"),
    (
        "{*}: {} frames in {} s ({} a second): reading took {} s, the network {} s, writing {} s",
        "{}：{} 帧，用时 {} 秒（每秒 {} 帧）：读取 {} 秒，网络 {} 秒，写出 {} 秒",
    ),
    ("error: {} frames could not be read and were left out", "错误：{} 帧无法读取，已略去"),
    ("sound: {} became {}, as the container cannot hold it", "声音：{} 已转为 {}，因为该格式不能直接容纳"),
    (
        "{} is HDR: its colours will look pale; convert it to SDR (BT.709) first",
        "{} 是 HDR：颜色会偏淡；请先转换为 SDR（BT.709）",
    ),
    ("{} is damaged in {} places, which were left out: copy it again", "{} 有 {} 处损坏，已略去：请重新复制"),
    (
        "{} is cut off: {} frames, {} s, could be read and its header states {} s; copy it again if you need the rest",
        "{} 不完整：只能读取 {} 帧（{} 秒），而文件头记为 {} 秒；需要其余部分时请重新复制",
    ),
    ("warning: {}: ", "警告：{}："),
    # why a clip cannot be matted
    ("cannot be read as a video ({*}): copy it again, or convert it", "无法作为视频读取（{}）：请重新复制或转换格式"),
    ("holds no frame that can be decoded: copy or download it again", "没有可解码的帧：请重新复制或下载"),
    ("holds no picture track: give a video", "没有画面：请上传视频"),
    ("not one of its {} frames could be read", "{} 帧全部无法读取"),
    ("both must come from one camera position, uncropped", "两者须在同一机位拍摄且未经裁剪"),
    ("the clip has more frames than its index", "视频的帧数多于其索引"),
)


WORD, WORDS = r"([^\s:;,()：；，（）]+)", r"(.+?)"


def _pattern(english):
    parts = re.split(r"(\{\*?\})", english)
    return re.compile("".join({"{}": WORD, "{*}": WORDS}.get(part, re.escape(part)) for part in parts))


PATTERNS = tuple((_pattern(english), chinese) for english, chinese in PHRASES)


def in_language(line, language):
    """A note or warning in a language, `"en"` or `"zh"`; what has no Chinese words stays English."""
    if language == "zh":
        for pattern, chinese in PATTERNS:
            line = pattern.sub(lambda found, chinese=chinese: chinese.format(*found.groups()), line)
    return line
