"""Document 000 (CNN Architectures), section 5: XceptionNet.

This is the document's own code, word for word: the reference that edgecnn's network must equal.
It is kept as it was published, so the linters leave it alone.
"""
# ruff: noqa: E501, F401, I001, ICN001, TID251
# fmt: off
# mypy: ignore-errors

import tensorflow
from keras.layers import concatenate,Input,BatchNormalization,Dense,Conv2D,Flatten,add,Activation,MaxPooling2D,Dropout
from keras.models import Model

from keras.layers import DepthwiseConv2D
inp = Input(shape = (32, 32, 3))

x = inp

x = Conv2D(32, (3, 3), strides = 2, padding = "same", activation = "relu")(x)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)
x = Conv2D(64, (3, 3), strides = 1, padding = "same", activation = "relu")(x)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)



x1 = DepthwiseConv2D((3, 3), (1, 1), padding = "same", activation = "relu")(x)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x1 = DepthwiseConv2D((3, 3), (1, 1), padding = "same", activation = "relu")(x1)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x1 = MaxPooling2D((2, 2), strides = 1)(x1)



x = concatenate([x1, Conv2D(64, (2, 2), strides = 1)(x)])



x1 = Activation("relu")(x)

x1 = Conv2D(256, (3, 3), strides = 1, padding = "same", activation = "relu")(x1)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x1 = DepthwiseConv2D((3, 3), strides = 1, padding = "same", activation = "relu")(x1)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x1 = DepthwiseConv2D((3, 3), strides = 1, padding = "same")(x1)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x1 = MaxPooling2D((2, 2), strides = 1)(x1)



x = concatenate([x1, Conv2D(256, (2, 2), strides = 1)(x)])





x = Activation("relu")(x)

x = Conv2D(256, (3, 3), strides = 1, padding = "same", activation = "relu")(x)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x = Conv2D(128, (3, 3), strides = 1, padding = "same", activation = "relu")(x)

x = BatchNormalization(axis = 3)(x)

x = Dropout(0.4)(x)

x = Flatten()(x)



x = Dense(100, activation = "softmax")(x)





xception = Model(inp, x)
