"""What programs say of a note, in English: one table from kind to sentence."""

from utils.system.notes import Note

DETAILS = {  # only with --verbose: figures, and what went as it should
    "alignment_figures": "{inliers} of {matches} matches agree, residual {before:.4f} -> {after:.4f}",
    "exposure_figures": "gain {gain}, bias {bias} (red green blue), difference {before:.4f} -> {after:.4f}",
    "found_anew": "the track of the camera was lost and found again {times} times",
    "stream_times": "reading took {read:.1f} s, inference {network:.1f} s, writing {write:.1f} s",
}
NOTES = {  # what was done
    "aligned": "the camera had moved by up to {motion:.1f} pixels: the background was aligned",
    "background_estimated": "background estimated from the clip in {seconds:.1f} s",
    "background_found": "the clip begins or ends with the empty scene: it is the background",
    "begun_anew": "{file} ends after {seconds:.1f} of {whole:.1f} s, and is begun anew",
    "clip_done": "{width}x{height}, {frames} frames in {seconds:.1f} s ({rate:.2f} a second)",
    "even_sides": "H.264 has even sides only: the video is {width}x{height}, its rim repeated",
    "exposed": "the light had changed: the background was brought to the source's exposure",
    "exposed_again": "the light changed: the background's exposure was matched again {times} times",
    "filled": "{share:.1%} of the picture is not in the background and was filled in",
    "followed": "the camera moved: the background was followed in {moved} of {frames} frames",
    "first_frame": "it is animated, the first of its {frames} frames is taken: convert it to a video for all",
    "green": "com is put before {colour}, as {format} has no alpha: pass --target-bgr, or --output-format mov",
    "hdr": "it is HDR: brought to SDR (BT.709)",
    "interlaced": "it is interlaced: whole frames were made of its fields",
    "numbered": "its pictures are numbered without gaps and become the frames of a clip: for photographs, which are "
    "aligned one by one, pass --keep-location",
    "opened": "device {device}, engine {engine}, {backbone}, weights {weights}",
    "matted": "{width}x{height}, {seconds:.2f} s",
    "nothing_missing": "nothing is missing",
    "pairs_done": "{count} pairs in {seconds:.1f} s",
    "rank": "rank {rank} of {count}: {share} of {pairs} pairs",
    "results_left_out": "left out {count} pictures, which are results",
    "skipped": "skipped {count} of {pairs} pairs, whose results exist",
    "sound_encoded": "the sound ({old}) became {new}, as the container cannot hold it",
    "transparent": "it is transparent itself: its transparency is kept in the result",
    "written": "  {path}",
}
ERRORS = {  # what failed
    "failed": "failed: {why}",
    "frames_failed": "error: {count} frames could not be read and were left out",
    "pairs_failed": "error: {count} of {pairs} pairs failed: {names}",
    "rank_ended": "rank {rank} of {count} ended early: a second run with --skip-existing does what is missing",
}
WARNINGS = {  # what may have gone wrong, and the remedy
    "cache_damaged": "{file} is damaged or could have been changed by others: the exported model is made anew",
    "cache_not_writable": "the cache {folder} cannot be written ({reason}), so that each start takes some seconds "
    "longer: set {variable} to a folder with free space",
    "cache_open_to_others": "the cache {folder} is not used, since others may write there, so that each start takes "
    "some seconds longer: chmod go-w {folder}, or set {variable} to a folder of your own",
    "cut_off": "it is cut off: {frames} frames, {seconds:.2f} s, could be read and its header states {stated:.2f} s; "
    "copy it again if you need the rest",
    "damaged": "it is damaged in {places} places, which were left out: copy it again",
    "engine_failed": "engine {engine} failed ({reason}): paddle, which is slower, is used",
    "engines_passed_over": "engine {taken} is used, since these failed: {failed}",
    "int8_not_used": "int8 is not used ({reason}): float32, which is slower, is",
    "lost": "in {lost} of {frames} frames the background could not be aligned: put the camera on a stand, or move it "
    "less and more slowly",
    "no_background": "no background was captured",
    "not_aligned": "could not align the background: {reason}; take both pictures from one place, with the same zoom",
    "not_exposed": "could not match the exposure: {reason}; take both pictures shortly after one another, with fixed "
    "exposure and white balance",
    "other_ground": "source and background differ in {share:.0%} of the ground around the subject: the camera or the "
    "light moved between the two pictures; keep --align and --match-exposure on auto, or take both again, shortly "
    "after one another, with camera, focus, exposure and white balance fixed",
    "other_scene": "source and background differ in {share:.0%} of the picture: --bgr must be the same scene without "
    "the subject, from the same position, not the new background that the subject is to be put on",
    "passed_over": "passed over, as they cannot be read: {kinds}",
    "resized": "the background is {bgr}, the source {src}: it was resized; pictures of equal size give better edges",
    "same_scene": "source and background differ in {share:.1%} of the picture only: if somebody is to be cut out, they "
    "may be in the background picture too; take it again with nobody in view",
    "shadow": "a shadow falls on {share:.1%} of the picture: parts of it may be cut out with the subject; move the "
    "subject away from the wall or light it softly from the front",
    "swapped": "source and background seem to be swapped: --src is the picture with the subject, --bgr the one without",
    "turned_scene": "one of the two pictures seems to be turned; rotate it and save it again",
    "unsure": "--bgr auto: in {share:.0%} of the picture the background was hardly ever seen, and alpha may be wrong "
    "there: let the subject leave the picture for a few seconds, or give a shot of the empty scene as --bgr, which a "
    "camera that moves always needs",
}
REASONS = {  # why something could not be done: parts of other sentences, and errors
    "few_features": "too few features are in both pictures",
    "few_matches": "too few features of both pictures agree",
    "folded": "the features found would fold the picture over",
    "moved_far": "the features found would move it by more than {limit:.0%} of the picture",
    "no_better": "moving it does not lower the difference",
    "no_change_of_light": "the colours differ by factors of {least:.2f} to {most:.2f}, more than a change of light",
    "no_common_light": "only {share:.0%} of the smooth ground agrees on one exposure",
    "no_smooth_ground": "there is too little smooth ground to measure it on",
    "no_texture": "it has too little texture",
    "not_asked": "it was not asked for",
    "other_shape": "{bgr_name} is {bgr}, {src_name} {src}: both must come from one camera position, uncropped",
    "refused": "--bgr {path}: {reason}; to go on nevertheless, pass --force",
    "same_light": "it is the same in both pictures",
    "scaled": "the features found would scale it by {scale:.2f}",
    "still": "the camera stood still",
    "too_small": "the pictures are too small",
    "turned": "{bgr_name} is {bgr}, {src_name} {src}: one of them is turned by 90 degrees; rotate it and save it again",
}
WORDS = {**DETAILS, **NOTES, **ERRORS, **WARNINGS, **REASONS}


def say(note):
    """The English sentence of a utils.system.notes.Note, without the file that it is about."""
    return WORDS[note.kind].format(**{k: say(v) if isinstance(v, Note) else v for k, v in note.values.items()})
