"""Options that Model Garden users know and that have no effect here: each is refused with a sentence."""

from typing import Any

_REASONS = {
    "TrainerConfig": {
        "allow_tpu_summary": "Summaries are written by the host between loops, on TPU too.",
        "train_tf_while_loop_unroll": "The loop is not unrolled.",
    },
    "RuntimeConfig": {
        "worker_hosts": "A cluster is described by the TF_CONFIG environment variable.",
        "task_index": "A cluster is described by the TF_CONFIG environment variable.",
        "num_cores_per_replica": "Model parallelism is not offered; a replica is one device.",
        "default_shard_dim": "Model parallelism is not offered; a replica is one device.",
        "batchnorm_spatial_persistent": "cuDNN's persistent batch normalisation is not switched from here.",
        "gpu_thread_mode": "Set TF_GPU_THREAD_MODE in the environment.",
        "dataset_num_private_threads": "Set `threading.private_threadpool_size` in the options of your dataset.",
        "per_gpu_thread_count": "Set TF_GPU_THREAD_COUNT in the environment.",
        "tpu_enable_xla_dynamic_padder": "Datasets have static shapes on TPU, so there is nothing to pad.",
        "use_tpu_mp_strategy": "Model parallelism is not offered.",
    },
    "DataConfig": {
        "enable_tf_data_service": "The tf.data service is not used.",
        "tf_data_service_address": "The tf.data service is not used.",
        "tf_data_service_job_name": "The tf.data service is not used.",
        "tfds_name": "TensorFlow Datasets are not read; write TFRecords or read them in a `build_inputs` of your own.",
        "tfds_split": "TensorFlow Datasets are not read.",
        "tfds_data_dir": "TensorFlow Datasets are not read.",
        "tfds_as_supervised": "TensorFlow Datasets are not read.",
        "tfds_skip_decoding_feature": "TensorFlow Datasets are not read.",
        "enable_shared_tf_data_service_between_parallel_trainers": "The tf.data service is not used.",
        "apply_tf_data_service_before_batching": "The tf.data service is not used.",
        "trainer_id": "The tf.data service is not used.",
        "autotune_algorithm": "Set it in the options of your dataset.",
    },
    "TaskConfig": {
        "differential_privacy_config": "Differentially private training is not offered.",
        "allow_image_summary": "Image summaries are written whenever the summary manager takes images.",
    },
    "ExperimentConfig": {
        "pruning": "Pruning is not offered.",
        "quantization": "Quantisation is not offered.",
    },
    "EmaConfig": {
        "start_step": "Keras' own averaging begins with the first step.",
        "dynamic_decay": "Keras' own averaging uses one decay throughout.",
        "trainable_weights_only": "Keras' own averaging covers the trainable weights.",
    },
    "AdamWConfig": {
        "weight_decay_rate": "It is called `weight_decay`, as in Keras.",
        "include_in_weight_decay": "Every variable is included but those named in `exclude_from_weight_decay`.",
        "gradient_clip_norm": "It is called `global_clipnorm`, as in Keras.",
    },
    "LambConfig": {
        "weight_decay_rate": "It is called `weight_decay`, as in Keras.",
        "exclude_from_layer_adaptation": "Keras' LAMB adapts every layer.",
    },
    "SgdConfig": {"decay": "Use a learning-rate schedule."},
}

_ANYWHERE = {
    "gin_file": "gin is not used.",
    "gin_params": "gin is not used.",
    "default_params": "Use `from_dict`.",
    "restrictions": "Rules are written in the `problems` method of the config class.",
    "pruning": "Pruning is not offered.",
    "jit_compile": "Compilation is switched by `runtime.enable_xla`.",
}


def why_unsupported(cls: type, key: Any) -> str | None:
    """Return the sentences that say why `key`, an option of Model Garden, is none of `cls`; None for any other key."""
    if not isinstance(key, str):
        return None
    for base in cls.__mro__:
        if reason := _REASONS.get(base.__name__, {}).get(key):
            return f"Model Garden's `{key}` does not exist here. {reason}"
    if reason := _ANYWHERE.get(key):
        return f"Model Garden's `{key}` does not exist here. {reason}"
    return None
