#!/bin/sh
# Train the three published stages, each from the best weights of the one before:
#     sh run.sh              stages 1, 2, 3 on the data sets below ./data
#     sh run.sh lite         the same three stages, reduced, on drawn data: under ten minutes on two processor cores
# A stage that is complete is skipped, one that was interrupted goes on. Options that follow are passed to every stage,
# such as --data-root DIR or --num-workers 8. Set PYTHON to choose the interpreter.
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python}

# What ends this script ends the program that it waits for, too; a shell alone would leave it running.
child=
end() { trap '' INT TERM; kill -TERM "$child" 2>/dev/null || :; wait "$child" || :; exit "$1"; }
trap 'end 130' INT
trap 'end 143' TERM
run() { "$PYTHON" "$@" & child=$!; wait "$child"; }

# The report at the end reads the logs of this training, wherever they are.
log=log before=
for option; do
    case $before in --log-dir) log=$option ;; esac
    case $option in --log-dir=*) log=${option#*=} ;; esac
    before=$option
done

if [ "${1:-}" = lite ]; then
    shift
    data=data/lite
    [ -f "$data/complete" ] || { run -m tools.make_lite_data --output "$data" --seed 0; touch "$data/complete"; }
    lite="--data-root $data --valid-dataset-name photomatte85 --valid-samples 8 --valid-size 192 --resume
        --model-backbone mobilenetv2 --model-backbone-scale 0.5 --model-refine-sample-pixels 3000
        --batch-size 4 --crop-size 96 161 --num-workers 1
        --log-train-images-interval 60 --log-valid-interval 60 --checkpoint-interval 20"
    # shellcheck disable=SC2086
    {
        run train.py --stage 1 --model-name lite1 $lite --epoch-end 25 --learning-rate 1e-3 "$@"
        run train.py --stage 2 --model-name lite2 --pretrain lite1 $lite --epoch-end 15 --learning-rate 5e-4 "$@"
        run train.py --stage 3 --model-name lite3 --pretrain lite2 $lite --epoch-end 20 --learning-rate 2e-4 "$@"
    }
    exec "$PYTHON" -m tools.training_report "$log/lite1" "$log/lite2" "$log/lite3"
fi

run -m tools.check_dataset --quick videomatte240k distinctions646 private "$@"
for stage in 1 2 3; do
    run train.py --stage "$stage" --resume "$@"
done
exec "$PYTHON" -m tools.training_report "$log/stage1" "$log/stage2" "$log/stage3"
