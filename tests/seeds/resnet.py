"""Document 000 (CNN Architectures), section 2: ResNet.

This is the document's own code, word for word: the reference that edgecnn's network must equal.
It is kept as it was published, so the linters leave it alone.
"""
# ruff: noqa: ANN001, ANN201, F401, F811, FBT002, I001, ICN001, Q000, RET504, TID251
# fmt: off
# mypy: ignore-errors

import tensorflow
from tensorflow.keras.models import Sequential,Model
from tensorflow.keras.layers import Dense, Conv2D, MaxPooling2D, Dropout
from tensorflow.keras.layers import Flatten, Activation,Input,BatchNormalization,add

from tensorflow.keras.models import Model
from tensorflow.keras.layers import Input,BatchNormalization,add

stride=1
channel_axis=3

def res_layer(x,filters,pooling=False,dropout=0.0):
    temp=x
    temp=Conv2D(filters,(3,3),strides=stride,padding='same')(temp)
    temp=BatchNormalization(axis=channel_axis)(temp)
    temp=Activation('relu')(temp)
    temp=Conv2D(filters,(3,3),strides=stride,padding='same')(temp)

    x=add([temp,Conv2D(filters,(3,3),strides=stride,padding='same')(x)])

    if pooling:
        x=MaxPooling2D((2,2))(x)
    if dropout!=0.0:
        x=Dropout(dropout)(x)
    x=BatchNormalization(axis=channel_axis)(x)
    x=Activation('relu')(x)
    return x

inp=Input(shape=(32,32,3))
x=inp
x=Conv2D(16,(3,3),strides=stride,padding='same')(x)
x=BatchNormalization(axis=channel_axis)(x)
x=Activation('relu')(x)

x=res_layer(x,32,dropout=0.2)
x=res_layer(x,32,dropout=0.3)
x=res_layer(x,32,dropout=0.4,pooling=True)
x=res_layer(x,64,dropout=0.2)
x=res_layer(x,64,dropout=0.2,pooling=True)
x=res_layer(x,256,dropout=0.4)
x=Flatten()(x)
x=Dropout(0.4)(x)
x=Dense(4096,activation='relu')(x)
x=Dropout(0.23)(x)
x=Dense(100,activation='softmax')(x)

resnet_model=Model(inp,x,name='Resnet')
