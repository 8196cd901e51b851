"""Document 000 (CNN Architectures), section 4: Inception.

This is the document's own code, word for word: the reference that edgecnn's network must equal.
It is kept as it was published, so the linters leave it alone.
"""
# ruff: noqa: ANN001, ANN201, E501, F401, I001, ICN001, TID251
# fmt: off
# mypy: ignore-errors

import tensorflow
from keras.layers import concatenate,Input,BatchNormalization,Dense,Conv2D,Flatten,add,Activation,MaxPooling2D,Dropout
from keras.models import Model

from keras.layers import AveragePooling2D
def inception_layer(x, layer_configs):
  layers = []

  for configs in layer_configs:
    if configs[0]["layer_type"] == "Conv2D":
      layer = Conv2D(configs[0]["filters"], configs[0]["kernel_size"], strides = configs[0]["strides"], padding = configs[0]["padding"], activation = configs[0]["activation"])(x)

    if configs[0]["layer_type"] == "MaxPooling2D":
      layer = MaxPooling2D(configs[0]["kernel_size"], strides = configs[0]["strides"], padding = configs[0]["padding"])(x)

    for n in range(1, len(configs)):
      if configs[n]["layer_type"] == "Conv2D":
        layer = Conv2D(configs[n]["filters"], configs[n]["kernel_size"], strides = configs[n]["strides"], padding = configs[n]["padding"], activation = configs[n]["activation"])(layer)

      if configs[n]["layer_type"] == "MaxPooling2D":
        layer = MaxPooling2D(configs[n]["kernel_size"], strides = configs[n]["strides"], padding = configs[n]["padding"])(layer)

    layers.append(layer)

  return concatenate(layers, axis = 3)

layer_3a = [[{"layer_type" : "Conv2D", "filters" : 64, "kernel_size" : (1, 1), "strides" : 1, "padding" : "same", "activation" : "relu"}],
[{"layer_type" : "Conv2D", "filters" : 96, "kernel_size" : (1, 1), "strides" : 1, "padding" : "same", "activation" : "relu"},
{"layer_type" : "Conv2D", "filters" : 128, "kernel_size" : (3, 3), "strides" : 1, "padding" : "same", "activation" : "relu"}],
[{"layer_type" : "Conv2D", "filters" : 16, "kernel_size" : (1, 1), "strides" : 1, "padding" : "same", "activation" : "relu"},
{"layer_type" : "Conv2D", "filters" : 32, "kernel_size" : (5, 5), "strides" : 1, "padding" : "same", "activation" : "relu"}],
[{"layer_type" : "MaxPooling2D","strides" : 1,"kernel_size" : (3, 3),"padding" : "same"},
{"layer_type" : "Conv2D","filters" : 32,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"}]]



layer_3b = [[{"layer_type" : "Conv2D","filters" : 128,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu" }],
[{ "layer_type" : "Conv2D","filters" : 128,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu" },
{"layer_type" : "Conv2D","filters" : 192,"kernel_size" : (3, 3),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "Conv2D","filters" : 32,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"},
{"layer_type" : "Conv2D","filters" : 96,"kernel_size" : (5, 5),"strides" : 1,"padding" : "same","activation" : "relu" }],
[{"layer_type" : "MaxPooling2D","strides" : 1,"kernel_size" : (3, 3),"padding" : "same"},
{"layer_type" : "Conv2D","filters" : 96,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"}]]



layer_4a = [[{"layer_type" : "Conv2D","filters" : 192,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "Conv2D","filters" : 96,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"},
{"layer_type" : "Conv2D","filters" : 208,"kernel_size" : (3, 3),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "Conv2D","filters" : 16,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"},
{"layer_type" : "Conv2D","filters" : 48,"kernel_size" : (5, 5),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "MaxPooling2D","strides" : 1,"kernel_size" : (3, 3),"padding" : "same"},
{"layer_type" : "Conv2D","filters" : 64,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"}]]



layer_4b = [[{"layer_type" : "Conv2D","filters" : 160,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "Conv2D","filters" : 112,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"},
{"layer_type" : "Conv2D","filters" : 224,"kernel_size" : (3, 3),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "Conv2D","filters" : 24,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"},
{"layer_type" : "Conv2D","filters" : 64,"kernel_size" : (5, 5),"strides" : 1,"padding" : "same","activation" : "relu"}],
[{"layer_type" : "MaxPooling2D","strides" : 1,"kernel_size" : (3, 3),"padding" : "same"},
{"layer_type" : "Conv2D","filters" : 64,"kernel_size" : (1, 1),"strides" : 1,"padding" : "same","activation" : "relu"}]]

inp = Input(shape = (32, 32, 3))

x = inp

x = Conv2D(64, (7, 7), strides = 2, padding = "same", activation = "relu")(x)

x = MaxPooling2D((3, 3), padding = "same", strides = 2)(x)

x = Conv2D(64, (1, 1), strides = 1, padding = "same", activation = "relu")(x)

x = Conv2D(192, (3, 3), strides = 1, padding = "same", activation = "relu")(x)

x = MaxPooling2D((3, 3), padding = "same", strides = 2)(x)

x = inception_layer(x, layer_3a)

x = inception_layer(x, layer_3b)

x = MaxPooling2D((3, 3), padding = "same", strides = 2)(x)

x = inception_layer(x, layer_4a)



x1 = AveragePooling2D((2, 2), strides = 3)(x)

x1 = Conv2D(128, (1, 1), padding = "same", activation = "relu")(x1)

x1 = Flatten()(x1)

x1 = Dense(1024, activation = "relu")(x1)

x1 = Dropout(0.7)(x1)

x1 = Dense(100, activation = "softmax")(x1)



inc = Model(inp, x1)
